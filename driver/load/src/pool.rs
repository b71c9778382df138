//! The connections of a run. Each has a carrier, a task that takes one request after another over it; a request goes
//! to the idle carrier whose connection is oldest or, where there is none, to a new one.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    task::{coop::unconstrained, spawn_local},
    time::{sleep_until, timeout, timeout_at},
};

use super::{
    Cause, Connects, End, Endpoint, Targets,
    berth::{Berth, Caller},
    cause,
    connection::{Connection, Unanswered},
    flight::Flight,
    request::Outgoing,
    summary::Distribution,
};

/// A request and what is to be done about it.
pub(super) struct Errand {
    pub(super) flight: Flight,
    pub(super) request: Outgoing,
    pub(super) deadline: Instant,
}

/// The carriers of a run. Lives on one thread; no borrow is held across an `await`.
#[derive(Default)]
pub(super) struct Pool {
    /// By target, those of the youngest connections first.
    idle: RefCell<BTreeMap<SocketAddr, Vec<Idle>>>,
    /// How many there have been.
    carriers: Cell<u64>,
    connects: Cell<Connects>,
    /// How those targets are spoken with that want TLS.
    ways: RefCell<BTreeMap<SocketAddr, Endpoint>>,
    /// Their handshakes; none without TLS.
    handshakes: RefCell<Option<Distribution>>,
    /// Attempts that failed during the run and not on this machine.
    refused: RefCell<BTreeMap<SocketAddr, u64>>,
}

/// A carrier that waits. The one with the oldest connection is called first: where a server has a few workers, each of
/// which stays with its connection, the oldest ones have them, and the others wait in its backlog.
struct Idle {
    /// The number of its connection, in the order in which they were opened.
    number: u64,
    caller: Caller<Errand>,
}

/// The first connection to a target must stand by then; nobody waits longer for all of them.
const PREWARM_LIMIT: Duration = Duration::from_secs(5);

/// A server whose backlog is full drops the SYN. It comes again after a second (RFC 6298, section 2.1), and where it finds
/// no room even then, there is none.
const BACKLOG_LIMIT: Duration = Duration::from_millis(1500);

impl Pool {
    /// Opens `count` connections to a target before the clock starts, or as many as it takes, but `needed` at least.
    pub(super) async fn prewarm(
        self: &Rc<Self>,
        target: SocketAddr,
        count: usize,
        needed: usize,
    ) -> io::Result<()> {
        self.count(|connects| connects.wanted += count as u64);
        let deadline = Instant::now() + PREWARM_LIMIT;
        for opened in 0..count {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = if opened < needed {
                left
            } else {
                left.min(BACKLOG_LIMIT)
            };
            let connection = match timeout(limit, self.dial(target)).await {
                Ok(Ok(connection)) => connection,
                _ if opened >= needed => break,
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            };
            self.count(|connects| connects.before += 1);
            spawn_local(Rc::clone(self).carry(target, connection, None));
        }
        Ok(())
    }

    /// Sends a request to a target and puts its end on record, in a task that may begin after this has returned.
    pub(super) fn send(self: &Rc<Self>, target: SocketAddr, mut errand: Errand) {
        let idle = || self.idle.borrow_mut().get_mut(&target)?.pop();
        while let Some(Idle { caller, .. }) = idle() {
            match caller.call(errand) {
                Ok(()) => return,
                Err(returned) => errand = returned,
            }
        }
        self.send_anew(target, errand);
    }

    /// The same, over a new connection.
    fn send_anew(self: &Rc<Self>, target: SocketAddr, errand: Errand) {
        let pool = Rc::clone(self);
        spawn_local(async move {
            match timeout_at(errand.deadline.into(), pool.open(target)).await {
                Ok(Ok(connection)) => pool.carry(target, connection, Some(errand)).await,
                Ok(Err(error)) => {
                    let cause = cause::of(&error, false);
                    errand.flight.finish(End::Broken(cause));
                }
                Err(_) => errand.flight.finish(End::TimedOut),
            }
        });
    }

    /// Opens a connection during the run.
    async fn open(&self, target: SocketAddr) -> io::Result<Connection> {
        let opened = self.dial(target).await;
        self.count(|connects| match &opened {
            Ok(_) => connects.after_start += 1,
            Err(error) if cause::of(error, false) == Cause::Starved => connects.starved += 1,
            Err(_) => {
                connects.refused += 1;
                *self.refused.borrow_mut().entry(target).or_default() += 1;
            }
        });
        opened
    }

    /// Opens a connection, and takes the time of its handshake.
    async fn dial(&self, target: SocketAddr) -> io::Result<Connection> {
        let way = self.ways.borrow().get(&target).cloned();
        let tls = way.as_ref().and_then(Endpoint::tls);
        let connection = Connection::open(target, tls).await?;
        if let Some(took) = connection.handshake() {
            self.handshakes
                .borrow_mut()
                .get_or_insert_default()
                .record((took, false));
        }
        Ok(connection)
    }

    /// Carries the `first` request, if there is one, and then each that it is given, until the connection ends or
    /// its target is gone.
    async fn carry(
        self: Rc<Self>,
        target: SocketAddr,
        mut connection: Connection,
        mut first: Option<Errand>,
    ) {
        let berth = Berth::new();
        let number = self.carriers.replace(self.carriers.get() + 1);
        // One for all: to move it costs less than to make another.
        let mut limit = pin!(sleep_until(Instant::now().into()));
        loop {
            let rested = first.is_none();
            let next = if rested {
                self.rest(target, &mut connection, number, &berth).await
            } else {
                first.take()
            };
            let Some(mut errand) = next else { return };
            if rested && connection.is_spoilt() {
                return self.send(target, errand);
            }
            limit.as_mut().reset(errand.deadline.into());
            let stamps = errand.flight.stamps();
            let answer = tokio::select! {
                biased;
                answer = connection.exchange(&errand.request, stamps) => answer,
                // An answer that pours in may use up the task's budget, and must not put off its end.
                () = unconstrained(limit.as_mut()) => return errand.flight.finish(End::TimedOut),
            };
            match answer {
                Ok(answer) => errand.flight.answered(answer.status, answer.body),
                Err(Unanswered::NotSent(_)) if rested => return self.send(target, errand),
                Err(_) if rested && errand.may_be_sent_again() => {
                    self.count(|connects| connects.retried += 1);
                    return self.send_anew(target, errand);
                }
                Err(Unanswered::NotSent(cause) | Unanswered::Broken(cause)) => {
                    return errand.flight.finish(End::Broken(cause));
                }
            }
            if !connection.is_reusable() {
                return;
            }
        }
    }

    /// Waits among the idle carriers for the next request; none where the target is gone or the connection is spoilt.
    async fn rest(
        &self,
        target: SocketAddr,
        connection: &mut Connection,
        number: u64,
        berth: &Berth<Errand>,
    ) -> Option<Errand> {
        let caller = berth.caller();
        {
            let mut idle = self.idle.borrow_mut();
            let idle = idle.get_mut(&target)?;
            let place = idle.partition_point(|other| other.number > number);
            idle.insert(place, Idle { number, caller });
        }
        tokio::select! {
            biased;
            errand = berth.next() => errand,
            () = connection.spoilt() => None,
        }
    }

    /// Makes room for idle connections to these targets, and closes those to others.
    pub(super) fn follow(&self, targets: &Targets) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|address, _| targets.endpoints().any(|other| other.addr() == *address));
        let mut ways = self.ways.borrow_mut();
        for endpoint in targets.endpoints() {
            idle.entry(endpoint.addr()).or_default();
            if endpoint.tls().is_some() {
                ways.insert(endpoint.addr(), endpoint.clone());
            }
        }
    }

    /// Attempts so far.
    pub(super) fn connects(&self) -> Connects {
        self.connects.get()
    }

    /// How long handshakes took so far; none without TLS.
    pub(super) fn handshakes(&self) -> Option<Distribution> {
        self.handshakes.borrow().clone()
    }

    /// How often an address took no connection during the run.
    pub(super) fn refused(&self, address: SocketAddr) -> u64 {
        let refused = self.refused.borrow();
        refused.get(&address).copied().unwrap_or_default()
    }

    fn count(&self, change: impl FnOnce(&mut Connects)) {
        let mut connects = self.connects.get();
        change(&mut connects);
        self.connects.set(connects);
    }
}

impl Errand {
    /// True where the other side has said nothing to it, and may do it twice (RFC 9110, section 9.2.2).
    fn may_be_sent_again(&mut self) -> bool {
        self.request.is_idempotent && self.flight.stamps().first_byte.is_none()
    }
}
