//! The folder that holds PostgreSQL's data: a template for each installation and a folder for each
//! run. A run's folder is claimed by a file lock, which ends with its owners; a folder that nobody
//! claims was left by a crash and is swept, with the server that may still run in it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
#[cfg(target_os = "linux")]
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::{Account, PostgresError};
use crate::limits;

/// For a leftover server to end after SIGQUIT, which it does without writing its data.
const LEFTOVER_WITHIN: Duration = Duration::from_secs(3);

/// Where data is kept, and who owns it.
#[derive(Clone, Debug)]
pub(super) struct Store {
    root: PathBuf,
    pub(super) account: Option<Account>,
}

/// A run's folder, safe from the sweep for as long as this lives.
#[derive(Debug)]
pub(in crate::platform::local) struct Claim {
    pub(super) folder: PathBuf,
    _lock: File,
}

/// Keeps other drivers out of the store.
#[derive(Debug)]
pub(super) struct Exclusive {
    _lock: File,
}

impl Store {
    /// The store at `root`, or at this user's own place. Made if it is not there.
    pub(super) fn open(
        root: Option<PathBuf>,
        account: Option<Account>,
    ) -> Result<Self, PostgresError> {
        let uid = geteuid();
        // Another account must get through to its data, and root's TMPDIR may be closed to it.
        let temporary = if account.is_some() {
            PathBuf::from("/tmp")
        } else {
            std::env::temp_dir()
        };
        let root = root.unwrap_or_else(|| temporary.join(format!("lab-postgres-{}", uid.as_raw())));
        let failed = |source| PostgresError::Store {
            path: root.clone(),
            source,
        };
        let mode = if account.is_some() { 0o711 } else { 0o700 };
        let found = make_folder(&root, mode).map_err(failed)?;
        let safe = found.is_dir() && found.uid() == uid.as_raw() && found.mode() & 0o022 == 0;
        if !safe {
            return Err(PostgresError::UnsafeStore(root));
        }
        make_folder(&root.join("runs"), mode).map_err(failed)?;
        make_folder(&root.join("templates"), mode).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        Ok(Self { root, account })
    }

    pub(super) fn failed(&self, source: io::Error) -> PostgresError {
        PostgresError::Store {
            path: self.root.clone(),
            source,
        }
    }

    pub(super) fn templates(&self) -> PathBuf {
        self.root.join("templates")
    }

    /// Refuses a disk without room for `needed` bytes: a server that finds none fails its clients.
    pub(super) fn has_room(&self, needed: u64) -> Result<(), PostgresError> {
        // A system that doesn't tell is not asked again.
        match limits::room(&self.root) {
            Ok(room) if room < needed => Err(PostgresError::NoRoom {
                path: self.root.clone(),
                room,
                needed,
            }),
            _ => Ok(()),
        }
    }

    /// Waits until no other driver changes the store.
    pub(super) fn exclusive(&self) -> io::Result<Exclusive> {
        let lock = open_lock(&self.root.join("store.lock"))?;
        lock.lock()?;
        Ok(Exclusive { _lock: lock })
    }

    /// A new folder for a run, owned by the account.
    pub(super) fn claim(&self, _exclusive: &Exclusive) -> io::Result<Claim> {
        let name = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let folder = self.root.join("runs").join(name);
        let claim = Claim::of(folder)?;
        fs::create_dir(&claim.folder)?;
        fs::set_permissions(&claim.folder, Permissions::from_mode(0o700))?;
        self.give(&claim.folder)?;
        Ok(claim)
    }

    /// Makes the account the owner of `path`.
    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        match self.account {
            Some(account) => chown(path, Some(account.uid), Some(account.gid)),
            None => Ok(()),
        }
    }

    /// Removes what crashed runs left. What can't be removed is left for the next time: it takes
    /// room, but is in nobody's way.
    pub(super) fn sweep(&self, _exclusive: &Exclusive) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("runs"))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "lock")
            {
                let lock = OpenOptions::new().write(true).open(&path);
                if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                    let _ = remove(&path.with_extension(""));
                }
            }
        }
        Ok(())
    }
}

impl Claim {
    /// Claims `folder`, next to others that claim it.
    pub(super) fn of(folder: PathBuf) -> io::Result<Self> {
        let lock = open_lock(&folder.with_extension("lock"))?;
        lock.lock_shared()?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Removes the folder, and ends the server in it, if there still is one.
    pub(in crate::platform::local) fn remove(self) -> io::Result<()> {
        remove(&self.folder)
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    let data = folder.join("data");
    end_leftover(&data);
    free_shared_memory(&data);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::remove_file(folder.with_extension("lock")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Ends the server that still runs on `data`, if one does.
fn end_leftover(data: &Path) {
    let Some(server) = Leftover::on(data) else {
        return;
    };
    // SIGQUIT lets it free its shared memory, which SIGKILL does not.
    for signal in [Signal::QUIT, Signal::KILL] {
        let deadline = Instant::now() + LEFTOVER_WITHIN;
        server.signal(signal);
        // It is nobody's child any more, so it can't be waited for.
        while server.runs() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        if !server.runs() {
            return;
        }
    }
}

/// Frees the segment of shared memory that a server leaves which was killed; its pid file, which it leaves as well,
/// says which. One that is in use ends when it is no longer.
fn free_shared_memory(data: &Path) {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
        return;
    };
    // "KEY ID" of the segment. The id is not given again soon, which the key may be.
    let segment = text
        .lines()
        .nth(6)
        .and_then(|line| line.split_whitespace().nth(1));
    if let Some(id) = segment.filter(|id| id.parse::<u32>().is_ok()) {
        let ipcrm = Command::new("ipcrm")
            .args(["-m", id])
            .stderr(Stdio::null())
            .status();
        // It holds 56 bytes, and the next start of the machine frees it.
        drop(ipcrm);
    }
}

/// A server that runs on `data` and is nobody's child here. Its number may become another program's at any
/// moment; nothing is ever sent to that one.
struct Leftover<'a> {
    data: &'a Path,
    pid: Pid,
    /// Stays with the process, whoever gets the number. Where the system has no such thing, the time between a
    /// look at the process and a signal to it is all that is left to chance.
    #[cfg(target_os = "linux")]
    process: Option<rustix::fd::OwnedFd>,
}

impl<'a> Leftover<'a> {
    /// By PostgreSQL's own pid file.
    fn on(data: &'a Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let number: i32 = text.lines().next()?.trim().parse().ok()?;
        // Below 0 it is that of a backend without a server, as `initdb` starts them: it ends with who started it.
        let pid = Pid::from_raw(Some(number).filter(|number| *number > 0)?)?;
        let server = Self {
            data,
            pid,
            #[cfg(target_os = "linux")]
            process: pidfd_open(pid, PidfdFlags::empty()).ok(),
        };
        server.runs().then_some(server)
    }

    /// Whether the number is that of a PostgreSQL on the data: what merely names the folder is none.
    fn runs(&self) -> bool {
        let command = command_line(self.pid);
        let Some((program, rest)) = command.split_once(" -D ") else {
            return false;
        };
        program.rsplit('/').next() == Some("postgres")
            && rest
                .strip_prefix(&*self.data.to_string_lossy())
                .is_some_and(|rest| rest.starts_with(' '))
    }

    fn signal(&self, signal: Signal) {
        if !self.runs() {
            return;
        }
        // Either fails only where it has just ended by itself.
        #[cfg(target_os = "linux")]
        if let Some(process) = &self.process {
            let _ = pidfd_send_signal(process, signal);
            return;
        }
        let _ = kill_process(self.pid, signal);
    }
}

/// The command line of a process, its words parted by blanks; empty if it has ended.
fn command_line(pid: Pid) -> String {
    let pid = pid.as_raw_nonzero().to_string();
    if let Ok(line) = fs::read(Path::new("/proc").join(&pid).join("cmdline")) {
        return String::from_utf8_lossy(&line).replace('\0', " ");
    }
    let ps = Command::new("ps")
        .args(["-ww", "-o", "command=", "-p", &pid])
        .output();
    ps.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

fn make_folder(path: &Path, mode: u32) -> io::Result<fs::Metadata> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    fs::symlink_metadata(path)
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::Stdio,
    };

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path().join("store")), None).unwrap();
        (folder, store)
    }

    #[test]
    fn only_what_nobody_claims_is_swept() {
        let (_folder, store) = store();
        let exclusive = store.exclusive().unwrap();
        let live = store.claim(&exclusive).unwrap();
        let left = store.claim(&exclusive).unwrap();
        let left_folder = left.folder.clone();
        drop(left);
        store.sweep(&exclusive).unwrap();
        assert!(live.folder.is_dir());
        assert!(!left_folder.exists());
        assert!(!left_folder.with_extension("lock").exists());
    }

    #[test]
    fn a_folder_stays_while_one_of_two_owners_lives() {
        let (_folder, store) = store();
        let exclusive = store.exclusive().unwrap();
        let driver = store.claim(&exclusive).unwrap();
        let guard = Claim::of(driver.folder.clone()).unwrap();
        drop(driver);
        store.sweep(&exclusive).unwrap();
        assert!(guard.folder.is_dir());
        let folder = guard.folder.clone();
        guard.remove().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_pid_file_that_names_another_program_harms_nobody() {
        let (_folder, store) = store();
        let exclusive = store.exclusive().unwrap();
        let left = store.claim(&exclusive).unwrap();
        let data = left.folder.join("data");
        fs::create_dir(&data).unwrap();
        let own = std::process::id();
        for number in [format!("{own}"), format!("-{own}"), "0".into(), "x".into()] {
            fs::write(data.join("postmaster.pid"), format!("{number}\n")).unwrap();
            assert!(Leftover::on(&data).is_none(), "{number}");
        }

        // One that reads what is in the folder, as somebody does who looks for a mistake.
        let log = data.join("postgres.log");
        fs::write(&log, "a mistake\n").unwrap();
        let mut reader = Command::new("tail")
            .arg("-f")
            .arg(&log)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It has the file open by now, and doesn't end because that goes away.
        let mut line = String::new();
        let read = BufReader::new(reader.stdout.as_mut().unwrap()).read_line(&mut line);
        assert_eq!((read.unwrap(), &*line), (10, "a mistake\n"));
        fs::write(data.join("postmaster.pid"), format!("{}\n", reader.id())).unwrap();
        left.remove().unwrap();
        assert!(reader.try_wait().unwrap().is_none());
        reader.kill().unwrap();
        reader.wait().unwrap();
    }

    #[test]
    fn a_disk_without_room_is_named_with_what_it_has_and_what_is_needed() {
        let (_folder, store) = store();
        store.has_room(1).unwrap();
        let text = store.has_room(u64::MAX).unwrap_err().to_string();
        assert!(
            text.contains("has room for") && text.contains("needs 17592186044415 MiB"),
            "{text}"
        );
    }

    #[test]
    fn a_store_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o777)).unwrap();
        let error = Store::open(Some(root), None).unwrap_err();
        assert!(matches!(error, PostgresError::UnsafeStore(_)), "{error}");
    }
}
