//! Idle connections by target, and the count of those that had to be opened.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
};

use hyper::header::{HOST, HeaderValue};
use rustix::io::Errno;

use super::{
    Connects, Targets,
    connection::{Connection, Outgoing},
};

/// The connections of a run. Lives on one thread; no borrow is held across an `await`.
#[derive(Default)]
pub(super) struct Pool {
    lanes: RefCell<HashMap<SocketAddr, Lane>>,
    connects: Cell<Connects>,
}

/// What is kept for one target.
struct Lane {
    host: HeaderValue,
    idle: Vec<Connection>,
}

impl Pool {
    /// Opens `count` connections to a target before the clock starts.
    pub(super) async fn prewarm(&self, target: SocketAddr, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let connection = Connection::open(target).await?;
            self.lane(target, |lane| lane.idle.push(connection));
            self.count(|connects| connects.before += 1);
        }
        Ok(())
    }

    /// Takes an idle connection to the target, if there is one.
    pub(super) fn idle(&self, target: SocketAddr) -> Option<Connection> {
        self.lane(target, |lane| {
            std::iter::from_fn(|| lane.idle.pop()).find(Connection::is_ready)
        })
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
            && let Some(lane) = self.lanes.borrow_mut().get_mut(&target)
        {
            lane.idle.push(connection);
        }
    }

    /// Names the target in a request.
    pub(super) fn address(&self, target: SocketAddr, request: &mut Outgoing) {
        let host = self.lane(target, |lane| lane.host.clone());
        request.headers_mut().insert(HOST, host);
    }

    /// Closes the idle connections to targets that are gone.
    pub(super) fn retain(&self, targets: &Targets) {
        self.lanes
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

    fn lane<T>(&self, target: SocketAddr, with: impl FnOnce(&mut Lane) -> T) -> T {
        with(
            self.lanes
                .borrow_mut()
                .entry(target)
                .or_insert_with(|| Lane {
                    host: HeaderValue::from_str(&target.to_string())
                        .expect("an address is printable ASCII"),
                    idle: Vec::new(),
                }),
        )
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
