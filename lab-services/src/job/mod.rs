//! A job, from submission to its end. What became of it is known from the job itself and not from what is said of it.

mod counts;
mod kind;
mod waits;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::sync::{AcquireError, TryAcquireError};
use tokio::time::error::Elapsed;

pub(crate) use counts::Counts;
pub use kind::Kind;
pub(crate) use kind::ServiceTimes;

/// Work that wants a worker. Run it or reject it: one that is just dropped counts as lost.
#[derive(Debug)]
pub struct Job {
    ticket: Arc<Ticket>,
    takes: Duration,
    /// Closes when the job is gone, by whatever way.
    _alive: oneshot::Sender<()>,
}

/// The job was run.
#[derive(Debug)]
pub struct Done;

/// The job was turned away, and can be submitted again later.
#[derive(Debug)]
pub struct Rejected;

impl From<TryAcquireError> for Rejected {
    fn from(_: TryAcquireError) -> Self {
        Self
    }
}

impl From<AcquireError> for Rejected {
    fn from(_: AcquireError) -> Self {
        Self
    }
}

impl From<Elapsed> for Rejected {
    fn from(_: Elapsed) -> Self {
        Self
    }
}

impl Job {
    /// Whether it is a fast or a slow one.
    pub fn kind(&self) -> Kind {
        self.ticket.kind
    }

    /// Does the work.
    pub async fn run(self) -> Done {
        let _lost_unless_done = LostUnlessSettled(Arc::clone(&self.ticket));
        self.ticket.start();
        tokio::time::sleep(self.takes).await;
        self.ticket.complete();
        Done
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Queued,
    Running,
    Done,
    Rejected,
    Lost,
}

/// The books of one job: each change of state moves the counts with it, once.
pub(crate) struct Ticket {
    kind: Kind,
    submitted: Instant,
    progress: Mutex<Progress>,
    counts: Counts,
}

#[derive(Clone, Copy)]
struct Progress {
    state: State,
    started: Option<Instant>,
    ended: Option<Instant>,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} job, {:?}", self.kind, self.state())
    }
}

/// A job as `GET /batches/{id}` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct JobReport {
    kind: Kind,
    state: State,
    queue_ms: Option<f64>,
    run_ms: Option<f64>,
}

/// Submits a job: the job to hand over, its books, and a signal for when it is gone.
pub(crate) fn submit(
    kind: Kind,
    takes: Duration,
    counts: &Counts,
) -> (Job, Arc<Ticket>, oneshot::Receiver<()>) {
    counts.submitted.get_or_create(&kind.into()).inc();
    counts.queued.get_or_create(&kind.into()).inc();
    let submitted = Instant::now();
    counts.waits.begin(kind, submitted);
    let progress = Mutex::new(Progress {
        state: State::Queued,
        started: None,
        ended: None,
    });
    let ticket = Arc::new(Ticket {
        kind,
        submitted,
        progress,
        counts: counts.clone(),
    });
    let (alive, gone) = oneshot::channel();
    (
        Job {
            ticket: Arc::clone(&ticket),
            takes,
            _alive: alive,
        },
        ticket,
        gone,
    )
}

impl Ticket {
    pub(crate) fn state(&self) -> State {
        self.progress().state
    }

    /// Turned away, if it is true that it never ran.
    pub(crate) fn reject(&self) {
        self.advance(State::Queued, State::Rejected);
    }

    pub(crate) fn report(&self) -> JobReport {
        let Progress {
            state,
            started,
            ended,
        } = *self.progress();
        let ms = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64() * 1e3;
        JobReport {
            kind: self.kind,
            state,
            queue_ms: started.map(|started| ms(self.submitted, started)),
            run_ms: started
                .zip(ended)
                .map(|(started, ended)| ms(started, ended)),
        }
    }

    fn start(&self) {
        if self.advance(State::Queued, State::Running) {
            self.counts
                .queue_seconds
                .get_or_create(&self.kind.into())
                .observe(self.submitted.elapsed().as_secs_f64());
        }
    }

    fn complete(&self) {
        self.advance(State::Running, State::Done);
    }

    fn lose(&self) {
        self.advance(State::Running, State::Lost);
        self.advance(State::Queued, State::Lost);
    }

    fn advance(&self, from: State, to: State) -> bool {
        let mut progress = self.progress();
        if progress.state != from {
            return false;
        }
        progress.state = to;
        let now = Instant::now();
        match to {
            State::Running => progress.started = Some(now),
            _ => progress.ended = Some(now),
        }
        if from == State::Queued {
            self.counts.waits.end(self.kind, self.submitted, now);
        }
        self.count(from, to);
        true
    }

    fn count(&self, from: State, to: State) {
        let (kind, counts) = (&self.kind.into(), &self.counts);
        if from == State::Queued {
            counts.queued.get_or_create(kind).dec();
        } else {
            counts.running.get_or_create(kind).dec();
            counts.busy.dec();
        }
        match to {
            State::Running => {
                counts.started.get_or_create(kind).inc();
                counts.running.get_or_create(kind).inc();
                counts.take_worker();
            }
            State::Done => drop(counts.completed.get_or_create(kind).inc()),
            State::Rejected => drop(counts.rejected.get_or_create(kind).inc()),
            State::Lost | State::Queued => drop(counts.lost.get_or_create(kind).inc()),
        }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Books a job as lost where nothing else was booked by the time this is dropped: after a panic, for one.
pub(crate) struct LostUnlessSettled(pub(crate) Arc<Ticket>);

impl Drop for LostUnlessSettled {
    fn drop(&mut self) {
        self.0.lose();
    }
}
