//! The send loop: one thread, one event loop, and arrivals that no slow answer can hold back.

use std::{
    collections::BTreeMap,
    io,
    iter::Peekable,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, LocalOptions},
    sync::{mpsc, oneshot, watch},
    task::{coop::consume_budget, spawn_local},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    AddressUse, Cause, End, Endpoint, LoadError, LoopRecord, Plan, Recording, Sample, Service,
    Share, Targets, Told,
    flight::{Arrival, ClassDesk, Desk},
    loops::{Ended, Start},
    machine,
    meter::Meter,
    pacer::Pacer,
    pool::{Errand, Pool},
    request::Requests,
    upcoming::Upcoming,
};

/// Shorter than any sensible timeout of a request.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// What a run needs from outside.
pub(super) struct Orders {
    pub(super) plan: Plan,
    pub(super) share: Share,
    /// Whether there is no load where no target takes a connection of it.
    pub(super) must_connect: bool,
    pub(super) targets: watch::Receiver<Targets>,
    pub(super) live: mpsc::UnboundedSender<Sample>,
    pub(super) told: mpsc::UnboundedSender<Told>,
    pub(super) stop: CancellationToken,
}

/// Runs a plan on the calling thread: tells through `ready` that every connection stands, is told the start through
/// `begin`, and returns when the last request has ended.
pub(super) fn run(
    orders: Orders,
    ready: oneshot::Sender<()>,
    begin: oneshot::Receiver<Start>,
) -> Result<Ended, LoadError> {
    machine::raise_open_files();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let stop = orders.stop.clone();

    let (engine, meter) = runtime.block_on(async {
        let prepared = Prepared::make(orders).await?;
        // Where the caller has gone away, there is no start.
        let _ = ready.send(());
        let Start { t0, meter } = begin.await.map_err(|_| LoadError::Lost)?;
        Ok::<_, LoadError>((prepared.begin(t0), meter))
    })?;

    let cpu = machine::thread_cpu();
    // A task, because tokio wakes the future of `block_on` through a system call, a task without.
    let dispatch = async {
        spawn_local(heartbeat());
        spawn_local(engine.dispatch_all(stop)).await
    };
    let (engine, complete) = runtime.block_on(dispatch).map_err(|_| LoadError::Lost)??;
    // Ends what is still in flight: each puts itself on record as unfinished.
    drop(runtime);
    let cpu = machine::thread_cpu().saturating_sub(cpu);
    Ok(Ended {
        machine: Arc::into_inner(meter).map(Meter::read),
        handshakes: engine.pool.handshakes(),
        recording: engine.finish(complete, cpu),
    })
}

/// Keeps a timer near. To set one that is due before all others costs tokio a system call, and in
/// a quick service's run every request's timeout would be such a one.
async fn heartbeat() {
    loop {
        sleep(HEARTBEAT).await;
    }
}

/// All that can be done before the start is known.
struct Prepared {
    orders: Orders,
    books: Vec<ClassDesk>,
    rotation: Rotation,
    pool: Rc<Pool>,
    pacer: Pacer,
}

impl Prepared {
    /// Opens the connections.
    async fn make(orders: Orders) -> Result<Self, LoadError> {
        let Orders { plan, share, .. } = &orders;
        let needed = usize::from(orders.must_connect);
        let pool = Rc::new(Pool::default());
        let rotation = Rotation::new(orders.targets.clone(), *share);
        pool.follow(&rotation.targets);
        let connections = share.part(plan.connections_per_target);
        for target in rotation.used_by(plan) {
            let opened = pool.prewarm(target, connections, needed).await;
            opened.map_err(|source| LoadError::Connect { target, source })?;
        }
        Ok(Self {
            books: ClassDesk::all(plan, *share),
            rotation,
            pool,
            pacer: Pacer::new()?,
            orders,
        })
    }

    fn begin(self, t0: Instant) -> Engine {
        let Orders {
            mut plan,
            share,
            live,
            told,
            ..
        } = self.orders;
        for class in &mut plan.classes {
            class.max_in_flight = share.part(class.max_in_flight);
        }
        let requests = plan
            .classes
            .iter()
            .map(|class| Requests::new(class, plan.key_prefix(class)));
        Engine {
            requests: requests.collect(),
            upcoming: Upcoming::new(&plan, share).peekable(),
            desk: Rc::new(Desk::new(t0, &plan, self.books, live, told)),
            plan,
            rotation: self.rotation,
            pool: self.pool,
            pacer: self.pacer,
            sent: BTreeMap::new(),
        }
    }
}

struct Engine {
    plan: Plan,
    upcoming: Peekable<Upcoming>,
    requests: Vec<Requests>,
    rotation: Rotation,
    pool: Rc<Pool>,
    desk: Rc<Desk>,
    pacer: Pacer,
    /// Requests by the address that they went to.
    sent: BTreeMap<SocketAddr, u64>,
}

impl Engine {
    /// Sends every arrival at its time, then waits for the answers. False where it was cut short.
    async fn dispatch_all(mut self, stop: CancellationToken) -> io::Result<(Self, bool)> {
        let mut stopped = pin!(stop.cancelled());
        let mut now = Instant::now();
        loop {
            let again = self.desk.next_again();
            let is_again = match (self.upcoming.peek(), &again) {
                (None, None) => break,
                (Some(planned), Some(again)) => again.intended < planned.intended,
                (planned, _) => planned.is_none(),
            };
            let next = if is_again {
                again
            } else {
                self.upcoming.peek().copied()
            };
            let Some(arrival) = next else { break };
            let due = self.desk.t0() + arrival.intended;
            // What was due when the clock was last read is due now.
            if due > now {
                tokio::select! {
                    biased;
                    () = &mut stopped => return Ok((self, false)),
                    // Its turn may come first.
                    () = self.desk.one_waits.notified() => continue,
                    woken = self.pacer.until(due) => now = woken?,
                }
            }
            if is_again {
                self.desk.take_again();
            } else {
                self.upcoming.next();
            }
            self.dispatch(arrival, now);
            // With many arrivals overdue at once, let the sends of the first ones through.
            consume_budget().await;
        }
        let complete = tokio::select! {
            () = stopped => false,
            drained = timeout(self.plan.drain, self.desk.quiet()) => drained.is_ok(),
        };
        Ok((self, complete))
    }

    fn dispatch(&mut self, arrival: Arrival, now: Instant) {
        let class = &self.plan.classes[usize::from(arrival.class)];
        let Some(flight) = self.desk.admit(arrival, now, class.max_in_flight) else {
            return;
        };
        let deadline = self.desk.t0() + arrival.intended + class.timeout;
        // So late that its user has gone.
        if now >= deadline {
            return flight.finish(End::TimedOut);
        }
        let Some(target) = self.rotation.next(class.service, &self.pool) else {
            return flight.finish(End::Broken(Cause::NoTarget));
        };
        let errand = Errand {
            flight,
            request: self.requests[usize::from(arrival.class)].make(arrival.key, target),
            deadline,
        };
        *self.sent.entry(target.addr()).or_default() += 1;
        self.pool.send(target.addr(), errand);
    }

    fn finish(self, complete: bool, cpu: Duration) -> Recording {
        let used = self.sent.iter().map(|(&address, &requests)| AddressUse {
            address,
            requests,
            refused: self.pool.refused(address),
        });
        let cells = Box::new(self.desk.take_cells());
        Recording {
            addresses: used.collect(),
            loops: vec![LoopRecord::of(cells.lateness(), cpu)],
            cells,
            ledger: self.desk.ledger(),
            complete,
            loop_cpu: cpu,
            connects: self.pool.connects(),
            ..Recording::default()
        }
    }
}

/// Goes round the targets that are ready.
struct Rotation {
    receiver: watch::Receiver<Targets>,
    targets: Targets,
    turns: [usize; 4],
}

impl Rotation {
    /// Engines that share a plan begin at different replicas, so that they don't all go to the same one together.
    fn new(mut receiver: watch::Receiver<Targets>, share: Share) -> Self {
        let targets = receiver.borrow_and_update().clone();
        Self {
            receiver,
            targets,
            turns: [share.index as usize; 4],
        }
    }

    /// The targets that a plan will use at its start.
    fn used_by(&self, plan: &Plan) -> Vec<SocketAddr> {
        let mut used: Vec<_> = plan
            .classes
            .iter()
            .flat_map(|class| self.targets.of(class.service))
            .map(Endpoint::addr)
            .collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The replica whose turn it is; none where none is ready.
    fn next(&mut self, service: Service, pool: &Pool) -> Option<&Endpoint> {
        // A sender that is gone leaves the last targets in force.
        if self.receiver.has_changed().unwrap_or(false) {
            self.targets = self.receiver.borrow_and_update().clone();
            pool.follow(&self.targets);
        }
        let replicas = self.targets.of(service);
        let turn = &mut self.turns[service as usize];
        *turn = turn.wrapping_add(1);
        replicas.get(turn.checked_rem(replicas.len())?)
    }
}
