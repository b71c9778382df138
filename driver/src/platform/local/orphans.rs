//! Ends what a service leaves outside of its group: a process that it started and that has called `setsid`, and what
//! that one has started.
//!
//! On Linux the driver becomes the parent of whoever loses theirs. The number of such a process is no other program's
//! before the driver has waited for it, so a signal can't go astray. Elsewhere an orphan is the first process's, like
//! any daemon, and can't be told from those: it lives on.

use std::io;

use rustix::process::Pid;
use tokio::process::{Child, Command};

#[cfg(not(target_os = "linux"))]
use elsewhere as system;
#[cfg(target_os = "linux")]
use linux as system;

/// Starts a child in a group of its own.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    system::spawn(command.process_group(0))
}

/// The child `leader` has been waited for, or has been killed and may end as an orphan does.
pub(super) fn forget(leader: Pid) {
    system::forget(leader);
}

/// Ends the orphans of the child `leader`, which has ended and been waited for.
pub(super) async fn end(leader: Pid) {
    // It is not done only where the driver ends, too.
    let _ = tokio::task::spawn_blocking(move || system::end(leader)).await;
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    use rustix::process::Pid;
    use tokio::process::{Child, Command};

    pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
        command.spawn()
    }

    pub(super) fn forget(_leader: Pid) {}

    pub(super) fn end(_leader: Pid) {}
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs, io,
        sync::{Mutex, MutexGuard, PoisonError},
        thread,
        time::{Duration, Instant},
    };

    use rustix::process::{
        Pid, Signal, WaitOptions, getpgrp, getpid, kill_process, set_child_subreaper, waitpid,
    };
    use tokio::process::{Child, Command};

    /// For orphans to end, each of whom may leave some of its own.
    const WITHIN: Duration = Duration::from_secs(2);

    /// Between two looks at them.
    const INTERVAL: Duration = Duration::from_millis(5);

    /// The children that somebody here waits for, each the leader of its group.
    static LEADERS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

    fn leaders() -> MutexGuard<'static, Vec<Pid>> {
        LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
        // Where the kernel knows no such thing, orphans live on as they do on other systems.
        let _ = set_child_subreaper(Some(getpid()));
        // Nobody looks for orphans before it is known that this is none.
        let mut leaders = leaders();
        let child = command.spawn()?;
        let id = child.id().map(u32::cast_signed);
        leaders.extend(id.and_then(Pid::from_raw));
        Ok(child)
    }

    pub(super) fn forget(leader: Pid) {
        leaders().retain(|other| *other != leader);
    }

    pub(super) fn end(leader: Pid) {
        forget(leader);
        let deadline = Instant::now() + WITHIN;
        loop {
            let orphans = orphans();
            if orphans.is_empty() || Instant::now() > deadline {
                return;
            }
            for orphan in orphans {
                // Both fail only where somebody else's orphans end at the same time and it was among them.
                let _ = kill_process(orphan, Signal::KILL);
                let _ = waitpid(Some(orphan), WaitOptions::NOHANG);
            }
            thread::sleep(INTERVAL);
        }
    }

    /// Children of this process that it has not started: whoever starts one in a group of its own does it by [`spawn`]. What it has is in its own group, where programs are that it
    /// runs and waits for, or in one that it made.
    fn orphans() -> Vec<Pid> {
        let leaders = leaders();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|process| fs::read_to_string(process.path().join("stat")).ok())
            .filter_map(|stat| family(&stat))
            .filter(|(_, parent, group)| {
                *parent == getpid() && *group != getpgrp() && !leaders.contains(group)
            })
            .map(|(process, ..)| process)
            .collect()
    }

    /// A process, its parent and its group, by a line like `7 (a name) S 1 7 …`. None for what is of the kernel.
    fn family(stat: &str) -> Option<(Pid, Pid, Pid)> {
        let pid = |word: &str| Pid::from_raw(word.parse().ok()?);
        let process = stat.split(' ').next().and_then(pid)?;
        // The name may contain anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut words = rest.split(' ').skip(1);
        Some((process, pid(words.next()?)?, pid(words.next()?)?))
    }
}
