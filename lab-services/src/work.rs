//! Work that a client waits for, from its arrival to its end. How old it is and what became of it is known from the work
//! itself and not from what is said of it.

mod books;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(crate) use books::Books;

use crate::job::Done;

/// How long a worker is at it.
pub(crate) const TAKES: Duration = Duration::from_millis(200);

/// Who pays if it is not done (Site Reliability Engineering, chapter 21, "Criticality").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    /// Users see it at once.
    Critical,
    /// Some of it may fail on a bad day.
    Sheddable,
}

impl EncodeLabelValue for Criticality {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        match self {
            Self::Critical => "critical",
            Self::Sheddable => "sheddable",
        }
        .encode(encoder)
    }
}

/// Work that wants a worker. Run it or reject it: what is just dropped counts as lost.
#[derive(Debug)]
pub struct Work {
    ticket: Arc<Ticket>,
    /// Closes when the work is gone, by whatever way.
    _alive: oneshot::Sender<()>,
}

impl Work {
    /// Whether users see at once that it is not done.
    pub fn criticality(&self) -> Criticality {
        self.ticket.criticality
    }

    /// How long ago it arrived.
    pub fn age(&self) -> Duration {
        self.ticket.arrived.elapsed()
    }

    /// Does it, whether or not the client waits still.
    pub async fn run(self) -> Done {
        let _lost_unless_done = LostUnlessSettled(Arc::clone(&self.ticket));
        self.ticket.advance(State::Waiting, State::Running);
        tokio::time::sleep(TAKES).await;
        self.ticket.advance(State::Running, State::Done);
        Done
    }
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting,
    Running,
    Done,
    Rejected,
    Lost,
}

/// The book of one piece of work: each change of state moves the counts with it, once.
#[derive(Debug)]
pub(crate) struct Ticket {
    criticality: Criticality,
    arrived: Instant,
    state: Mutex<State>,
    books: Books,
}

/// Work that arrives: itself, its book, and a signal for when it is gone.
pub(crate) fn arrive(
    criticality: Criticality,
    books: &Books,
) -> (Work, Arc<Ticket>, oneshot::Receiver<()>) {
    let arrived = Instant::now();
    books.arrived(criticality, arrived);
    let ticket = Arc::new(Ticket {
        criticality,
        arrived,
        state: Mutex::new(State::Waiting),
        books: books.clone(),
    });
    let (alive, gone) = oneshot::channel();
    let work = Work {
        ticket: Arc::clone(&ticket),
        _alive: alive,
    };
    (work, ticket, gone)
}

impl Ticket {
    pub(crate) fn state(&self) -> State {
        *self.lock()
    }

    /// Turned away, if it is true that it never ran, for so much CPU time.
    pub(crate) fn reject(&self, cpu: Duration) {
        if self.advance(State::Waiting, State::Rejected) {
            self.books.rejected_for(cpu);
        }
    }

    fn lose(&self) {
        self.advance(State::Running, State::Lost);
        self.advance(State::Waiting, State::Lost);
    }

    fn advance(&self, from: State, to: State) -> bool {
        let mut state = self.lock();
        if *state != from {
            return false;
        }
        *state = to;
        if from == State::Waiting {
            self.books.waited(self.arrived);
        }
        self.books.count(self.criticality, from, to);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Books work as lost where nothing else was booked by the time this is dropped: after a panic, for one.
pub(crate) struct LostUnlessSettled(pub(crate) Arc<Ticket>);

impl Drop for LostUnlessSettled {
    fn drop(&mut self) {
        self.0.lose();
    }
}
