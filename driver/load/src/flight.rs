//! Requests in flight. Each is a guard that counts in exactly one sample, whatever happens to the task that carries it:
//! no request can vanish.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};

use super::{Again, Cells, ClassPlan, End, Ledger, Plan, Sample, Share, Told};

/// What the dispatcher and the requests in flight share.
pub(super) struct Desk {
    t0: Instant,
    classes: RefCell<Vec<ClassDesk>>,
    in_flight: Cell<usize>,
    landed: Notify,
    cells: RefCell<Cells>,
    live: mpsc::UnboundedSender<Sample>,
    told: mpsc::UnboundedSender<Told>,
    /// Clients that will ask again, and a word when there is one more.
    waiting: RefCell<VecDeque<Arrival>>,
    pub(super) one_waits: Notify,
}

/// The dispatcher's view of one class.
pub(super) struct ClassDesk {
    ledger: Ledger,
    in_flight: usize,
    again: Option<Again>,
    /// When nobody asks any more.
    last_arrival: Duration,
    keeps_answers: bool,
}

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) intended: Duration,
    pub(super) class: u16,
    pub(super) key: u64,
    /// How often its client has asked before.
    pub(super) attempt: u8,
}

/// One request from its intended send to its end. Dropped without [`Flight::finish`], it is on
/// record as unfinished.
pub(super) struct Flight {
    desk: Rc<Desk>,
    arrival: Arrival,
    stamps: Stamps,
    end: End,
}

/// What a connection notes of the request that it carries.
#[derive(Default)]
pub(super) struct Stamps {
    /// When the kernel had taken the first bytes of the request.
    pub(super) written: Option<Instant>,
    /// When the first bytes of the answer were read, or of what was said before it (1xx).
    pub(super) first_byte: Option<Instant>,
    /// When its last bytes were.
    pub(super) whole: Option<Instant>,
}

impl Desk {
    /// A desk for the classes of a plan.
    pub(super) fn new(
        t0: Instant,
        plan: &Plan,
        classes: Vec<ClassDesk>,
        live: mpsc::UnboundedSender<Sample>,
        told: mpsc::UnboundedSender<Told>,
    ) -> Self {
        Self {
            t0,
            classes: RefCell::new(classes),
            in_flight: Cell::new(0),
            landed: Notify::new(),
            cells: RefCell::new(Cells::new(plan)),
            live,
            told,
            waiting: RefCell::default(),
            one_waits: Notify::new(),
        }
    }

    /// The zero of every offset.
    pub(super) fn t0(&self) -> Instant {
        self.t0
    }

    /// Takes in an arrival, `now`. Over the bound it is dropped, and on record as such.
    pub(super) fn admit(
        self: &Rc<Self>,
        arrival: Arrival,
        now: Instant,
        max_in_flight: usize,
    ) -> Option<Flight> {
        let mut classes = self.classes.borrow_mut();
        let desk = &mut classes[usize::from(arrival.class)];
        desk.ledger.offered += 1;
        desk.ledger.again += u64::from(arrival.attempt > 0);
        if desk.in_flight >= max_in_flight {
            desk.ledger.dropped += 1;
            self.record(Sample {
                intended: arrival.intended,
                written: None,
                first_byte: None,
                done: self.offset(now),
                key: arrival.key,
                class: arrival.class,
                end: End::Dropped,
                attempt: arrival.attempt,
            });
            return None;
        }
        desk.in_flight += 1;
        self.in_flight.set(self.in_flight.get() + 1);
        Some(Flight {
            desk: Rc::clone(self),
            arrival,
            stamps: Stamps::default(),
            end: End::Unfinished,
        })
    }

    /// Waits until nothing is in flight.
    pub(super) async fn quiet(&self) {
        while self.in_flight.get() > 0 {
            self.landed.notified().await;
        }
    }

    /// The dispatcher's counts, by class.
    pub(super) fn ledger(&self) -> Vec<Ledger> {
        let classes = self.classes.borrow();
        classes.iter().map(|class| class.ledger).collect()
    }

    /// Hands over what became of the requests.
    pub(super) fn take_cells(&self) -> Cells {
        self.cells.take()
    }

    /// When the next client asks again, and its request.
    pub(super) fn next_again(&self) -> Option<Arrival> {
        self.waiting.borrow().front().copied()
    }

    /// Takes that request; it is due now.
    pub(super) fn take_again(&self) -> Option<Arrival> {
        self.waiting.borrow_mut().pop_front()
    }

    /// Puts a client that asks again into its place in the line.
    fn ask_again(&self, arrival: Arrival) {
        let mut waiting = self.waiting.borrow_mut();
        let place = waiting.partition_point(|other| other.intended <= arrival.intended);
        waiting.insert(place, arrival);
        self.one_waits.notify_one();
    }

    fn record(&self, sample: Sample) {
        self.cells.borrow_mut().add(&sample);
        // Nobody has to watch.
        let _ = self.live.send(sample);
    }

    /// An instant as an offset from the start.
    fn offset(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.t0)
    }
}

impl Flight {
    /// What the connection that carries it fills in.
    pub(super) fn stamps(&mut self) -> &mut Stamps {
        &mut self.stamps
    }

    /// Ends now.
    pub(super) fn finish(mut self, end: End) {
        self.end = end;
    }

    /// Ends with an answer.
    pub(super) fn answered(self, status: u16, body: Vec<u8>) {
        let Arrival { class, key, .. } = self.arrival;
        if self.desk.classes.borrow()[usize::from(class)].keeps_answers {
            let at = self.done();
            // Nobody has to listen.
            let _ = self.desk.told.send(Told {
                class,
                key,
                at,
                status,
                body,
            });
        }
        self.finish(End::Answered(status));
    }

    fn done(&self) -> Duration {
        self.desk
            .offset(self.stamps.whole.unwrap_or_else(Instant::now))
    }
}

impl ClassDesk {
    /// Those of a plan, for a share of it. It takes some time, since each arrival is counted.
    pub(super) fn all(plan: &Plan, share: Share) -> Vec<Self> {
        let classes = plan.classes.iter();
        classes.map(|class| Self::new(class, share)).collect()
    }

    fn new(class: &ClassPlan, share: Share) -> Self {
        let (arrivals, last_arrival) = class.schedule.extent();
        Self {
            ledger: Ledger {
                planned: share.count(arrivals),
                ..Ledger::default()
            },
            in_flight: 0,
            again: class.again.clone(),
            last_arrival: last_arrival.unwrap_or_default(),
            keeps_answers: class.keeps_answers,
        }
    }

    /// The next attempt of a client whose last one ended like this.
    fn again(&self, arrival: Arrival, end: End, done: Duration) -> Option<Arrival> {
        let again = self.again.as_ref()?;
        let wants = match end {
            End::Broken(_) | End::TimedOut => true,
            End::Answered(status) => again.statuses.contains(&status),
            End::Dropped | End::Unfinished => false,
        };
        let intended = done + again.wait(arrival.key);
        let asks = wants && arrival.attempt < again.times && intended < self.last_arrival;
        asks.then_some(Arrival {
            intended,
            attempt: arrival.attempt + 1,
            ..arrival
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let desk = &self.desk;
        let offset = |stamp: Option<Instant>| stamp.map(|instant| desk.offset(instant));
        let (arrival, end, done) = (self.arrival, self.end, self.done());
        desk.record(Sample {
            intended: arrival.intended,
            written: offset(self.stamps.written),
            first_byte: offset(self.stamps.first_byte),
            done,
            key: arrival.key,
            class: arrival.class,
            end,
            attempt: arrival.attempt,
        });
        let again = {
            let class = &mut desk.classes.borrow_mut()[usize::from(arrival.class)];
            class.in_flight -= 1;
            class.again(arrival, end, done)
        };
        if let Some(arrival) = again {
            desk.ask_again(arrival);
        }
        desk.in_flight.set(desk.in_flight.get() - 1);
        if desk.in_flight.get() == 0 {
            desk.landed.notify_one();
        }
    }
}
