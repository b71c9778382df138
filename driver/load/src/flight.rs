//! Requests in flight. Each is a guard that puts exactly one sample on record, whatever happens to
//! the task that carries it: no request can vanish.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc};

use super::{End, Ledger, Sample, wire::Stamps};

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
    stamps: Option<Rc<Stamps>>,
    end: End,
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

    /// Takes in an arrival. Over the bound it is dropped, and on record as such.
    pub(super) fn admit(
        self: &Rc<Self>,
        class: u16,
        key: u64,
        intended: Duration,
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
                done: self.t0.elapsed(),
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
            stamps: None,
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
    /// Goes on board of a connection, whose stamps are this request's from now on.
    pub(super) fn board(&mut self, stamps: &Rc<Stamps>) {
        stamps.clear();
        self.stamps = Some(Rc::clone(stamps));
    }

    /// Ends now.
    pub(super) fn finish(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let desk = &self.desk;
        let stamp = |of: fn(&Stamps) -> Option<Instant>| {
            let instant = self.stamps.as_deref().and_then(of);
            instant.map(|instant| desk.offset(instant))
        };
        desk.record(Sample {
            intended: self.intended,
            written: stamp(Stamps::written),
            first_byte: stamp(Stamps::first_byte),
            done: desk.offset(Instant::now()),
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
