//! Limits of this machine that a run can meet: which it is, how much it allows, and how to get more.

use std::{error::Error, io, num::NonZero, path::Path, thread};

use lab_say::TooFewThreads;
use rustix::{
    fs::statvfs,
    io::Errno,
    process::{Resource, getrlimit},
};

/// A run needs more than this machine allows, which is known before it begins.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this run may have up to {needed} files open in one process, connections among them, and this machine allows \
     {allowed} (the hard limit of open files, `ulimit -Hn`). Raise it: {HOW_TO_RAISE_FILES}; or give the scenario lower \
     rates, timeouts or `max_in_flight`"
)]
pub struct TooFewFiles {
    /// Descriptors that the neediest process of the run may have open.
    pub needed: u64,
    /// As many as it can have.
    pub allowed: u64,
}

#[cfg(target_os = "macos")]
const HOW_TO_RAISE_FILES: &str =
    "`sudo launchctl limit maxfiles 65536 200000`, then open a new terminal";
#[cfg(not(target_os = "macos"))]
const HOW_TO_RAISE_FILES: &str = "`sudo prlimit --pid $$ --nofile=65536` in this shell, `nofile` in \
     /etc/security/limits.conf for good, `--ulimit nofile=65536` for a container";

/// Raises the limit of open files as far as the system lets it, and refuses a run that may need more.
pub fn allow_files(needed: u64) -> Result<(), TooFewFiles> {
    lab_load::raise_open_files();
    files()
        .filter(|allowed| *allowed < needed)
        .map_or(Ok(()), |allowed| Err(TooFewFiles { needed, allowed }))
}

/// What a command needs besides the threads of its runtime: those that look names up and write files, the load's send
/// loop and its clock.
const THREADS_BESIDE: usize = 6;

/// Has all threads of a command at once, for a moment.
pub fn allow_threads() -> Result<(), TooFewThreads> {
    let of_the_runtime = thread::available_parallelism().map_or(1, NonZero::get);
    lab_say::allow_threads(of_the_runtime + THREADS_BESIDE)
}

/// An error with its causes, and what to do where one of them is a limit of this machine.
pub fn explained(error: &(dyn Error + 'static)) -> String {
    let said = lab_say::reason(error);
    match met(error).and_then(advice) {
        Some(advice) => format!("{said}. {advice}"),
        None => said,
    }
}

/// What the system said at the bottom of an error.
fn met(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| {
        (*error).source()
    });
    causes.find_map(|cause| {
        let error = cause.downcast_ref::<io::Error>()?;
        Errno::from_io_error(error).or(match error.kind() {
            // Whoever adds a path to an error keeps no more than its kind.
            io::ErrorKind::StorageFull => Some(Errno::NOSPC),
            io::ErrorKind::QuotaExceeded => Some(Errno::DQUOT),
            _ => None,
        })
    })
}

fn advice(errno: Errno) -> Option<String> {
    Some(match errno {
        Errno::MFILE => format!(
            "A process may have {} files open here (`ulimit -n`), and needs more. Raise it: {HOW_TO_RAISE_FILES}",
            files().map_or_else(|| "no number of".to_owned(), |files| files.to_string())
        ),
        Errno::NFILE => {
            "All programs together have as many files open as this machine allows (Linux: `sysctl \
             fs.file-max`; macOS: `sysctl kern.maxfiles`). Close some, or raise it"
                .to_owned()
        }
        Errno::AGAIN => lab_say::limit_of_threads(),
        Errno::NOMEM => "This machine is out of memory. Close programs".to_owned(),
        Errno::NOSPC | Errno::DQUOT => {
            "The disk is full, or this user's share of it: `df -h` shows which. Make room"
                .to_owned()
        }
        Errno::ADDRNOTAVAIL => format!(
            "This machine has no port left for another connection{}. Wait a minute, until those of closed connections are \
             free again, or close what has so many",
            ports().map_or_else(String::new, |range| format!(" of those from {range}"))
        ),
        _ => return None,
    })
}

/// How many connections this machine allows, as the end of a text.
pub(crate) fn of_connections() -> String {
    let files =
        files().map(|files| format!(" A process may have {files} files open here (`ulimit -n`)."));
    let ports = ports().map(|ports| format!(" Connections to one place have the ports {ports}."));
    [files, ports].into_iter().flatten().collect()
}

/// Bytes that can be written to `folder`.
pub(crate) fn room(folder: &Path) -> io::Result<u64> {
    let found = statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Files that a process may have open; none where there is no limit.
fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// The ports that connections leave from, with what says so; none where the system has no such file.
fn ports() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    let last = last.trim();
    Some(format!(
        "{first} to {last} (`sysctl net.ipv4.ip_local_port_range`)"
    ))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn of(errno: Errno) -> String {
        let failed: Result<(), _> = Err(io::Error::from(errno));
        explained(failed.context("can't start dep").unwrap_err().as_ref())
    }

    #[test]
    fn each_limit_is_named_with_what_it_allows_and_what_to_do() {
        let files = of(Errno::MFILE);
        assert!(files.starts_with("can't start dep: "), "{files}");
        assert!(
            files.contains("`ulimit -n`") && files.contains("Raise it: "),
            "{files}"
        );
        for (errno, says) in [
            (Errno::NFILE, "this machine allows"),
            (Errno::AGAIN, "`ulimit -u`"),
            (Errno::NOMEM, "out of memory"),
            (Errno::NOSPC, "Make room"),
            (Errno::ADDRNOTAVAIL, "no port left"),
        ] {
            let text = of(errno);
            assert!(text.contains(says), "{text}");
        }
        // As `tempfile` has it, with the path of the file.
        let full = io::Error::new(io::ErrorKind::StorageFull, "at path x");
        assert!(explained(&full).contains("Make room"));
        let other = of(Errno::CONNREFUSED);
        let refused = io::Error::from(Errno::CONNREFUSED);
        assert_eq!(other, format!("can't start dep: {refused}"));
    }

    #[test]
    fn more_files_than_there_can_be_are_refused_by_number() {
        allow_files(1).unwrap();
        let TooFewFiles { needed, allowed } = allow_files(u64::MAX).unwrap_err();
        assert!(allowed < needed);
        let text = TooFewFiles {
            needed: 300,
            allowed: 64,
        }
        .to_string();
        assert!(
            text.contains("up to 300 files") && text.contains("allows 64"),
            "{text}"
        );
    }
}
