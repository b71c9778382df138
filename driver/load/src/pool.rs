//! The connections of a run. Each has a carrier, a task that takes one request after another over it; a request goes
//! to an idle carrier or, where there is none, to a new one.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    time::Instant,
};

use tokio::{
    task::{coop::unconstrained, spawn_local},
    time::{sleep_until, timeout_at},
};

use super::{
    Cause, Connects, End, Targets,
    berth::{Berth, Caller},
    cause,
    connection::{Connection, Unanswered},
    flight::Flight,
    request::Outgoing,
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
    idle: RefCell<BTreeMap<SocketAddr, Vec<Caller<Errand>>>>,
    connects: Cell<Connects>,
}

impl Pool {
    /// Opens `count` connections to a target before the clock starts.
    pub(super) async fn prewarm(
        self: &Rc<Self>,
        target: SocketAddr,
        count: usize,
    ) -> io::Result<()> {
        for _ in 0..count {
            let connection = Connection::open(target).await?;
            self.count(|connects| connects.before += 1);
            spawn_local(Rc::clone(self).carry(target, connection, None));
        }
        Ok(())
    }

    /// Sends a request to a target and puts its end on record, in a task that may begin after this has returned.
    pub(super) fn send(self: &Rc<Self>, target: SocketAddr, mut errand: Errand) {
        let idle = || self.idle.borrow_mut().get_mut(&target)?.pop();
        while let Some(carrier) = idle() {
            match carrier.call(errand) {
                Ok(()) => return,
                Err(returned) => errand = returned,
            }
        }
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
        let opened = Connection::open(target).await;
        self.count(|connects| match &opened {
            Ok(_) => connects.after_start += 1,
            Err(error) if cause::of(error, false) == Cause::Starved => connects.starved += 1,
            Err(_) => connects.refused += 1,
        });
        opened
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
        // One for all: to move it costs less than to make another.
        let mut limit = pin!(sleep_until(Instant::now().into()));
        loop {
            let rested = first.is_none();
            let next = if rested {
                self.rest(target, &connection, &berth).await
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
        connection: &Connection,
        berth: &Berth<Errand>,
    ) -> Option<Errand> {
        self.idle
            .borrow_mut()
            .get_mut(&target)?
            .push(berth.caller());
        tokio::select! {
            biased;
            errand = berth.next() => errand,
            () = connection.spoilt() => None,
        }
    }

    /// Makes room for idle connections to these targets, and closes those to others.
    pub(super) fn follow(&self, targets: &Targets) {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|address, _| targets.addresses().any(|other| other == *address));
        for address in targets.addresses() {
            idle.entry(address).or_default();
        }
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
