//! One run at a time: two would share the processor, and each would measure the other.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Held for as long as a run lasts. The operating system frees it with the process, however that
/// ends, so no stale lock can stand in the way.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Why the lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("{0}; wait for it to end, or stop it there with Ctrl-C")]
    Busy(String),
    /// The file can't be used.
    #[error("cannot lock {}: {why}; check that the folder is writable", path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
}

/// Who holds the lock, for the one who is refused.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    run: String,
    pid: u32,
    since: Timestamp,
}

impl Holder {
    fn describe(&self, zone: &TimeZone) -> String {
        let since = self.since.to_zoned(zone.clone()).strftime("%H:%M:%S");
        format!(
            "run {} is still going (process {}, since {since})",
            self.run, self.pid
        )
    }
}

impl RunLock {
    /// Takes the lock of the project at `root` for the run named `run`, at once or not at all.
    pub fn acquire(root: &Path, run: &str) -> Result<Self, LockError> {
        let folder = root.join(".lab");
        let path = folder.join("run.lock");
        let unusable = |why| LockError::Unusable {
            path: path.clone(),
            why,
        };
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Busy(holder(&mut file))),
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
        }
        write_holder(&mut file, run).map_err(unusable)?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The file stays, as removing it would race with the next run; its text must not.
        let _ = self.file.set_len(0);
    }
}

fn write_holder(file: &mut File, run: &str) -> io::Result<()> {
    let holder = Holder {
        run: run.to_owned(),
        pid: std::process::id(),
        since: Timestamp::now(),
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(&holder)?.as_bytes())
}

/// Names the holder; it may not have written its name yet.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text).ok();
    read.and_then(|_| serde_json::from_str::<Holder>(&text).ok())
        .map_or_else(
            || "another run is going".to_owned(),
            |holder| holder.describe(&TimeZone::system()),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_refused_by_name_until_the_first_ends() {
        let root = tempfile::tempdir().unwrap();
        let first = RunLock::acquire(root.path(), "timeouts/20261123T151302Z-4f2a").unwrap();
        let refused = RunLock::acquire(root.path(), "tx/20261123T151303Z-0000")
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("run timeouts/20261123T151302Z-4f2a is still going"),
            "{refused}"
        );
        assert!(
            refused.contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        RunLock::acquire(root.path(), "tx/20261123T151303Z-0000").unwrap();
    }

    #[test]
    fn a_lock_file_without_a_holder_is_free() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(".lab")).unwrap();
        std::fs::write(root.path().join(".lab/run.lock"), "left by a crash").unwrap();
        RunLock::acquire(root.path(), "tx").unwrap();
    }

    #[test]
    fn the_holder_is_described_in_local_time() {
        let holder = Holder {
            run: "tx".to_owned(),
            pid: 7,
            since: "2026-11-23T15:13:02Z".parse().unwrap(),
        };
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(
            holder.describe(&zone),
            "run tx is still going (process 7, since 17:13:02)"
        );
    }
}
