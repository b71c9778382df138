//! Requests in flight. Each is a guard that puts exactly one sample on record, whatever happens to
//! the task that carries it: no request can vanish.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};

use super::{End, Ledger, Sample};

/// What the dispatcher and the requests in flight share.
pub(super) struct Desk {
    t0: Instant,
    classes: RefCell<Vec<ClassDesk>>,
    in_flight: Cell<usize>,
    landed: Notify,
    samples: RefCell<Vec<Sample>>,
    live: mpsc::UnboundedSender<Sample>,
}

#[derive(Clone, Copy, Default)]
struct ClassDesk {
    ledger: Ledger,
    in_flight: usize,
}

/// One request from its intended send to its end. Dropped without [`Flight::finish`], it is on
/// record as unfinished.
pub(super) struct Flight {
    desk: Rc<Desk>,
    class: u16,
    key: u64,
    intended: Duration,
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
    /// A desk for classes of `planned` arrivals each.
    pub(super) fn new(
        t0: Instant,
        planned: impl Iterator<Item = u64>,
        live: mpsc::UnboundedSender<Sample>,
    ) -> Self {
        let classes: Vec<_> = planned
            .map(|planned| ClassDesk {
                ledger: Ledger {
                    planned,
                    ..Ledger::default()
                },
                ..ClassDesk::default()
            })
            .collect();
        let planned: u64 = classes.iter().map(|class| class.ledger.planned).sum();
        Self {
            t0,
            classes: RefCell::new(classes),
            in_flight: Cell::new(0),
            landed: Notify::new(),
            // Room for all, so that no reallocation delays a send.
            samples: RefCell::new(Vec::with_capacity(planned as usize)),
            live,
        }
    }

    /// The zero of every offset.
    pub(super) fn t0(&self) -> Instant {
        self.t0
    }

    /// Takes in an arrival, `now`. Over the bound it is dropped, and on record as such.
    pub(super) fn admit(
        self: &Rc<Self>,
        class: u16,
        key: u64,
        intended: Duration,
        now: Instant,
        max_in_flight: usize,
    ) -> Option<Flight> {
        let mut classes = self.classes.borrow_mut();
        let desk = &mut classes[usize::from(class)];
        desk.ledger.offered += 1;
        if desk.in_flight >= max_in_flight {
            desk.ledger.dropped += 1;
            self.record(Sample {
                intended,
                written: None,
                first_byte: None,
                done: self.offset(now),
                key,
                class,
                end: End::Dropped,
            });
            return None;
        }
        desk.in_flight += 1;
        self.in_flight.set(self.in_flight.get() + 1);
        Some(Flight {
            desk: Rc::clone(self),
            class,
            key,
            intended,
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

    /// Hands over everything on record.
    pub(super) fn take_samples(&self) -> Vec<Sample> {
        self.samples.take()
    }

    fn record(&self, sample: Sample) {
        self.samples.borrow_mut().push(sample);
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
}

impl Drop for Flight {
    fn drop(&mut self) {
        let desk = &self.desk;
        let offset = |stamp: Option<Instant>| stamp.map(|instant| desk.offset(instant));
        desk.record(Sample {
            intended: self.intended,
            written: offset(self.stamps.written),
            first_byte: offset(self.stamps.first_byte),
            done: desk.offset(self.stamps.whole.unwrap_or_else(Instant::now)),
            key: self.key,
            class: self.class,
            end: self.end,
        });
        desk.classes.borrow_mut()[usize::from(self.class)].in_flight -= 1;
        desk.in_flight.set(desk.in_flight.get() - 1);
        if desk.in_flight.get() == 0 {
            desk.landed.notify_one();
        }
    }
}
