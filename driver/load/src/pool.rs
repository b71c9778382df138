//! Idle connections by target, and the count of those that had to be opened.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
};

use rustix::io::Errno;

use super::{Connects, Targets, connection::Connection};

/// The connections of a run. Lives on one thread; no borrow is held across an `await`.
#[derive(Default)]
pub(super) struct Pool {
    idle: RefCell<HashMap<SocketAddr, Vec<Connection>>>,
    connects: Cell<Connects>,
}

impl Pool {
    /// Opens `count` connections to a target before the clock starts.
    pub(super) async fn prewarm(&self, target: SocketAddr, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let connection = Connection::open(target).await?;
            self.idle
                .borrow_mut()
                .entry(target)
                .or_default()
                .push(connection);
            self.count(|connects| connects.before += 1);
        }
        Ok(())
    }

    /// Takes an idle connection to the target, if there is one.
    pub(super) fn idle(&self, target: SocketAddr) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let idle = idle.entry(target).or_default();
        std::iter::from_fn(|| idle.pop()).find(Connection::is_ready)
    }

    /// Opens a connection during the run.
    pub(super) async fn open(&self, target: SocketAddr) -> io::Result<Connection> {
        let opened = Connection::open(target).await;
        self.count(|connects| match &opened {
            Ok(_) => connects.after_start += 1,
            Err(error) if is_ours(error) => connects.starved += 1,
            Err(_) => connects.refused += 1,
        });
        opened
    }

    /// Keeps a connection for the next request, unless its target is gone.
    pub(super) async fn give_back(&self, target: SocketAddr, mut connection: Connection) {
        if connection.ready().await.is_ok()
            && let Some(idle) = self.idle.borrow_mut().get_mut(&target)
        {
            idle.push(connection);
        }
    }

    /// Closes the idle connections to targets that are gone.
    pub(super) fn retain(&self, targets: &Targets) {
        self.idle
            .borrow_mut()
            .retain(|address, _| targets.contains(*address));
    }

    /// Attempts so far.
    pub(super) fn connects(&self) -> Connects {
        self.connects.get()
    }

    fn count(&self, change: impl FnOnce(&mut Connects)) {
        let mut connects = self.connects.get();
        change(&mut connects);
        self.connects.set(connects);
    }
}

/// True where this machine lacked files or ports for a connection.
fn is_ours(error: &io::Error) -> bool {
    const OURS: [Errno; 4] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
    ];
    Errno::from_io_error(error).is_some_and(|errno| OURS.contains(&errno))
}
