//! Runs the real driver, in a folder of its own for reports and temporary files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use lab_say::note;

/// Long enough for a build of the services on a slow machine; a wait that is this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

static MACHINE: RwLock<()> = RwLock::new(());

/// A run that is judged by what it measures has the machine for itself, and of those in one project the second would be
/// refused: tests of such runs take their turn here.
pub(crate) fn turn() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Tests of other runs, each in a project of its own, go on beside each other: most of their time is spent waiting.
pub(crate) fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Builds, once, what runs start: the services and the load pods' program, which lie beside each other in the image.
pub(crate) fn built() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--profile", "lab"])
            .args(["--bin", "lab", "--bin", "load"])
            .current_dir(root())
            .status();
        assert!(built.unwrap().success(), "what runs start builds");
    });
}

/// The project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the driver's folder is in the project")
}

/// A copy of what a run reads of the project, to be edited at will.
pub(crate) fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    for folder in ["deploy", "driver/scenarios", "lab-services/src/cases"] {
        let to = project.path().join(folder);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let copied = Command::new("cp")
            .arg("-R")
            .arg(root().join(folder))
            .arg(&to)
            .status();
        assert!(copied.unwrap().success());
    }
    fs::write(project.path().join("Cargo.toml"), "").unwrap();
    project
}

/// A scenario file of the tests.
pub(crate) fn scenario(name: &str) -> PathBuf {
    root()
        .join("driver/tests/whole_program/scenarios")
        .join(name)
        .with_extension("toml")
}

/// The driver with these arguments, run in the project, not started yet.
pub(crate) fn driver(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
    command
        .args(arguments)
        .current_dir(root())
        .env_remove("PLATFORM")
        .env_remove("DATABASE_URL")
        .env("CI", "true");
    command
}

/// A run of a scenario file, with its own reports folder.
pub(crate) fn run_of(scenario_name: &str, reports: &Path) -> Command {
    let file = scenario(scenario_name);
    let mut command = driver(&["run", "--scenario-file"]);
    command.arg(file).arg("--reports").arg(reports);
    command
}

/// What a finished program printed, for messages of tests.
pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Starts a program with its output kept.
pub(crate) fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the driver starts")
}

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The lines that a run's journal has so far; none before it has begun.
pub(crate) fn journal(reports: &Path, scenario: &str) -> Option<String> {
    let folder = fs::read_dir(reports.join(scenario))
        .ok()?
        .next()?
        .ok()?
        .path();
    fs::read_to_string(folder.join("events.jsonl")).ok()
}

/// The data of the one run of a scenario.
pub(crate) fn data(reports: &Path, scenario: &str) -> serde_json::Value {
    let folder = fs::read_dir(reports.join(scenario))
        .expect("a scenario's folder")
        .next()
        .expect("a run")
        .expect("readable");
    let text = fs::read(folder.path().join("data.json")).expect("data.json");
    serde_json::from_slice(&text).expect("JSON")
}

/// Process ids and command lines below a process, children of children too.
pub(crate) fn descendants(of: u32) -> Vec<(u32, String)> {
    let output = Command::new("ps")
        .args(["-axo", "pid=,ppid=,command="])
        .output()
        .expect("ps");
    let table: Vec<(u32, u32, String)> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let pid = words.next()?.parse().ok()?;
            let parent = words.next()?.parse().ok()?;
            Some((pid, parent, words.collect::<Vec<_>>().join(" ")))
        })
        .collect();
    let mut found = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for (pid, _, command) in table.iter().filter(|(_, up, _)| *up == parent) {
            found.push((*pid, command.clone()));
            parents.push(*pid);
        }
    }
    found
}

/// Whether a process still runs.
pub(crate) fn alive(pid: u32) -> bool {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .expect("ps");
    let state = String::from_utf8_lossy(&output.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// The time of the last tick in a journal, in seconds.
pub(crate) fn last_tick(journal: &str) -> Option<f64> {
    let ticks = journal.lines().rev().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["t_s"].as_f64().filter(|_| line["line"] == "tick")
    });
    ticks.into_iter().next()
}

/// Sends a signal, by name.
pub(crate) fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .expect("kill");
    assert!(sent.success(), "kill -{name} {pid}");
}

/// Whether runs with a database can be made here.
pub(crate) fn has_postgres() -> bool {
    let there = driver(&["doctor", "--quick"]).output().is_ok_and(|output| {
        text(&output)
            .lines()
            .any(|line| line.contains("PostgreSQL") && line.starts_with("ok"))
    });
    let required = std::env::var_os("LAB_REQUIRE_POSTGRES").is_some();
    assert!(
        there || !required,
        "LAB_REQUIRE_POSTGRES is set, and no PostgreSQL was found"
    );
    if !there {
        note!("SKIPPED: no PostgreSQL on this machine");
    }
    there
}
