//! A copy of the project to break things in ([`copy`]), and what must hold after each try: no process, no database's
//! folder, every report whole or absent, no text of the participant lost.

mod copy;

use std::{
    cell::RefCell,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab_record::{Entry, Reports};
use rustix::process::{Signal, geteuid};

use crate::process::{self, Process, Program};

/// The edit points, with the starter of each beside it.
pub(crate) const EDITS: [&str; 9] = [
    "lab-services/src/cases/timeouts.rs",
    "lab-services/src/cases/tx.rs",
    "lab-services/src/cases/bulkheads.rs",
    "deploy/k8s/api-deploy.yaml",
    "deploy/k8s/api-hpa.yaml",
    "lab-services/src/cases/retries.rs",
    "lab-services/src/cases/shutdown.rs",
    "deploy/k8s/api-roll.yaml",
    "lab-services/src/cases/shedding.rs",
];

/// How long what was told to end may take; the database's guard has the longest way.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// The copy.
pub(crate) struct World {
    pub(crate) root: PathBuf,
    /// Texts that must be somewhere at the end of a try.
    precious: RefCell<Vec<String>>,
    /// Whether programs get a /tmp of their own, so that nothing of others is there.
    pub(crate) own_tmp: bool,
    /// Another one at the same time would end what this one runs.
    _lock: fs::File,
}

impl World {
    /// Copies the sources, and the programs as they were built. The copy's cargo has nothing to do: the programs
    /// are there.
    pub(crate) fn make(project: &Path) -> Result<Self> {
        let root = project.join("target/chaos/world");
        fs::create_dir_all(project.join("target/chaos"))?;
        let lock = fs::File::create(project.join("target/chaos/lock"))?;
        lock.try_lock().context("another `make chaos` is going")?;
        let world = Self {
            _lock: lock,
            // Not where it would hide the project itself.
            own_tmp: geteuid().is_root()
                && works("unshare", &["-m", "true"])
                && !root.starts_with("/tmp"),
            root,
            precious: RefCell::default(),
        };
        world.clear();
        remove(&world.root)?;
        copy::make(project, &world.root, &world.bin())?;
        Ok(world)
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.root.join("chaos-bin")
    }

    /// A place for files that programs make for a while.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("chaos-tmp")
    }

    pub(crate) fn reports(&self) -> PathBuf {
        self.root.join("reports")
    }

    /// As it is before each try: texts of a participant at all edit points, no run.
    pub(crate) fn refresh(&self) -> Result<()> {
        for folder in [self.reports(), self.root.join(".lab")] {
            remove(&folder)?;
        }
        self.empty_tmp()?;
        fs::set_permissions(self.tmp(), fs::Permissions::from_mode(0o1777))?;
        self.precious.borrow_mut().clear();
        for file in EDITS {
            let path = self.root.join(file);
            let name = path.file_name().context("a name")?;
            let starter = path.with_file_name("starter").join(name);
            let is_rust = path.extension().is_some_and(|ending| ending == "rs");
            let comment = if is_rust { "//" } else { "#" };
            let text = format!("{}{comment} mine, {file}\n", fs::read_to_string(starter)?);
            remove(&path)?;
            fs::write(&path, &text)?;
            self.must_keep(text);
        }
        Ok(())
    }

    /// All but the databases' templates goes, so that not every run has to make one.
    fn empty_tmp(&self) -> Result<()> {
        fs::create_dir_all(self.tmp())?;
        for entry in fs::read_dir(self.tmp())?.flatten() {
            let templates = entry.path().join("templates");
            if templates.is_dir() {
                remove(&entry.path().join("runs"))?;
            } else {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// As on a machine on which no run with a database was ever made.
    pub(crate) fn forget_templates(&self) -> Result<()> {
        for entry in fs::read_dir(self.tmp())?.flatten() {
            remove(&entry.path().join("templates"))?;
        }
        Ok(())
    }

    /// A text that must be somewhere at the end.
    pub(crate) fn must_keep(&self, text: String) {
        self.precious.borrow_mut().push(text);
    }

    /// A text that was overwritten on purpose, by its owner.
    pub(crate) fn need_not_keep(&self, text: &str) {
        self.precious.borrow_mut().retain(|other| other != text);
    }

    /// The driver with these arguments.
    pub(crate) fn driver(&self, arguments: &[&str]) -> Command {
        self.command(&self.bin().join("driver"), arguments)
    }

    /// A run of one of the scenarios here.
    pub(crate) fn run(&self, scenario: &str) -> Command {
        let file = format!("chaos/scenarios/{scenario}.toml");
        self.driver(&["run", "--scenario-file", &file])
    }

    /// A program of this machine or of ours, in the copy, with a /tmp of its own.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = if self.own_tmp {
            let mut command = Command::new("unshare");
            command
                .args(["-m", "sh", "-c", r#"mount --bind "$0" /tmp && exec "$@""#])
                .arg(self.tmp())
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments);
        self.equip(&mut command);
        command
    }

    /// What every program here starts with.
    pub(crate) fn equip(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(&self.root)
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env("CI", "true");
        for name in [
            "CARGO",
            "PLATFORM",
            "DATABASE_URL",
            "MAKEFLAGS",
            "MFLAGS",
            "MAKELEVEL",
            "TMPDIR",
        ] {
            command.env_remove(name);
        }
        if !self.own_tmp {
            command.env("TMPDIR", self.tmp());
        }
    }

    /// `lab` alone.
    pub(crate) fn lab(&self, arguments: &[&str]) -> Command {
        self.command(&self.bin().join("lab"), arguments)
    }

    pub(crate) fn guide(&self, arguments: &[&str]) -> Command {
        self.command(&self.bin().join("mdbook-lab"), arguments)
    }

    /// Starts a command with its output in a file of this world.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Program> {
        Program::start(command, self.output())
    }

    /// A new file for what a program says.
    pub(crate) fn output(&self) -> PathBuf {
        self.tmp().join(format!("output-{:08x}", fastrand::u32(..)))
    }

    /// What must hold after every try.
    pub(crate) fn look(&self) -> Result<()> {
        self.nothing_runs()?;
        self.no_database()?;
        reports_are_whole(&self.reports())?;
        self.no_text_is_lost()
    }

    /// Ends what a failed try has left.
    pub(crate) fn clear(&self) {
        for process in self.processes().unwrap_or_default() {
            let _ = process::kill(&process, Signal::KILL);
        }
    }

    /// Everything that runs of this world; its path is in their commands.
    fn processes(&self) -> Result<Vec<Process>> {
        let own = std::process::id().cast_signed();
        let mut signs: Vec<String> = vec![self.root.display().to_string()];
        signs.extend(
            self.databases()
                .iter()
                .filter_map(|folder| Some(format!("/runs/{}/", folder.file_name()?.to_str()?))),
        );
        let mut table = process::table()?;
        table.retain(|process| {
            process.pid != own && signs.iter().any(|sign| process.command.contains(sign))
        });
        Ok(table)
    }

    fn nothing_runs(&self) -> Result<()> {
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            let left = self.processes()?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "still there: {left:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The folders of databases that are there.
    fn databases(&self) -> Vec<PathBuf> {
        let stores = fs::read_dir(self.tmp()).into_iter().flatten().flatten();
        stores
            .map(|entry| entry.path().join("runs"))
            .flat_map(|runs| fs::read_dir(runs).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    }

    fn no_database(&self) -> Result<()> {
        if self.databases().is_empty() {
            return Ok(());
        }
        // Who was killed before there was a guard leaves it to the next run.
        self.start(&mut self.run("everything"))?.end()?.measured()?;
        self.nothing_runs()?;
        let left = self.databases();
        ensure!(left.is_empty(), "databases are left: {left:?}");
        Ok(())
    }

    fn no_text_is_lost(&self) -> Result<()> {
        let mut there: Vec<Vec<u8>> = EDITS
            .iter()
            .filter_map(|file| fs::read(self.root.join(file)).ok())
            .collect();
        there.extend(texts(&self.root.join(".lab")));
        for text in &*self.precious.borrow() {
            ensure!(
                there.iter().any(|other| other == text.as_bytes()),
                "a text is lost: {}",
                text.lines().last().unwrap_or_default()
            );
        }
        Ok(())
    }
}

/// A run's folder has its data, or neither data nor page; a page that is there is whole.
pub(crate) fn reports_are_whole(reports: &Path) -> Result<()> {
    for entry in Reports::at(reports).entries() {
        if let Entry::Unreadable { folder, error } = entry {
            let none = !folder.join("data.json").exists() && !folder.join("report.html").exists();
            ensure!(none, "half a report in {}: {error}", folder.display());
        }
    }
    for page in pages(reports) {
        let text = fs::read_to_string(&page)?;
        ensure!(
            text.ends_with("</html>"),
            "{} is no whole page",
            page.display()
        );
    }
    Ok(())
}

/// Whether a command runs and ends well.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Removes whatever is at `path`.
fn remove(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let removed = if found.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("can't remove {}", path.display()))
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|ending| ending == "html") {
            found.push(path);
        }
    }
    found
}

fn texts(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else {
            found.extend(fs::read(path));
        }
    }
    found
}
