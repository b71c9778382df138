//! Threads, had all at once before they are needed: a runtime panics where it gets none, in the middle of its work too.

use std::{fmt, io, sync::RwLock, thread};

use rustix::process::{Resource, getrlimit};

/// This machine does not allow a program its threads.
#[derive(Debug)]
pub struct TooFewThreads {
    wanted: usize,
    why: io::Error,
}

/// Has so many threads at once, for a moment.
pub fn allow_threads(wanted: usize) -> Result<(), TooFewThreads> {
    let gate = RwLock::new(());
    let started: io::Result<()> = thread::scope(|scope| {
        let _closed = gate.write();
        for _ in 0..wanted {
            thread::Builder::new().spawn_scoped(scope, || drop(gate.read()))?;
        }
        Ok(())
    });
    started.map_err(|why| TooFewThreads { wanted, why })
}

/// How many processes and threads there may be, and what to do where that is too few.
pub fn limit_of_threads() -> String {
    let allowed = getrlimit(Resource::Nproc).current;
    format!(
        "This user may have {} processes and threads (`ulimit -u`), a container fewer (`pids.max`), and one more is \
         needed. Close programs, or raise it",
        allowed.map_or_else(|| "no number".to_owned(), |allowed| allowed.to_string())
    )
}

impl fmt::Display for TooFewThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, why } = self;
        write!(f, "can't have {wanted} threads at once: {why}")?;
        // What the system says of that limit (EAGAIN), and of no other.
        if why.kind() == io::ErrorKind::WouldBlock {
            write!(f, ". {}", limit_of_threads())?;
        }
        Ok(())
    }
}

impl std::error::Error for TooFewThreads {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_threads_are_to_be_had() {
        allow_threads(3).unwrap();
    }

    #[test]
    fn the_limit_is_named_where_it_is_one() {
        let said = |kind: io::ErrorKind| {
            let why = kind.into();
            TooFewThreads { wanted: 7, why }.to_string()
        };
        let limit = said(io::ErrorKind::WouldBlock);
        assert!(
            limit.starts_with("can't have 7 threads at once: "),
            "{limit}"
        );
        assert!(limit.contains("`ulimit -u`"), "{limit}");
        assert!(!said(io::ErrorKind::OutOfMemory).contains("ulimit"));
    }
}
