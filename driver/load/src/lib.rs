//! The load engine. It is open: requests leave when the schedule says, however slow the service,
//! and latency counts from that moment. It measures; what the figures mean is judged elsewhere.
//!
//! [`schedule`] and [`Plan`] say what will be sent; [`start`] sends it and ends in a [`Recording`], whose [`Cells`] hold
//! what became of the requests in memory that does not grow with their number; [`summary`] makes counts and percentiles
//! of that.

use std::{
    io,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

mod answer;
mod ask;
mod berth;
mod cause;
mod cells;
mod connection;
mod engine;
mod find;
mod flight;
mod handshake;
mod hiccup;
mod lateness;
mod machine;
mod meter;
mod pacer;
mod plan;
mod pool;
mod request;
mod sample;
pub mod schedule;
mod service;
mod stream;
pub mod summary;
mod template;
mod tls;
mod upcoming;

pub use ask::{Ask, Asker, Reply};
pub use cells::{Account, Cell, Cells, Ended, Part};
pub use find::{Found, find};
pub use handshake::Handshakes;
pub use hiccup::HICCUP_CELL;
pub use lab_record::Cause;
pub use lateness::Lateness;
pub use machine::raise_open_files;
pub use plan::{Again, Body, ClassPlan, Plan, PlanError, Repeat, Share, is_path};
pub use request::refused_field;
pub use sample::{AddressUse, Connects, End, Ledger, Recording, Sample, Told};
pub use service::{Endpoint, Service, Targets};
pub use template::Template;
pub use tls::{Tls, TlsError, TlsOptions, is_tls};

/// Load that could not be put on the services.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan makes no sense.
    #[error("the plan of the load can't be run")]
    Plan(#[from] PlanError),
    /// No service at a target that is said to be ready.
    #[error("could not connect to {target} before the load; is the service up, and ready?")]
    Connect {
        /// The target.
        target: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The event loop, its timer or a thread could not be had.
    #[error("the load generator could not get a thread, timer or event loop from the system")]
    System(#[from] io::Error),
    /// A bug.
    #[error("the load generator stopped unexpectedly; this is a bug, please report it")]
    Lost,
}

/// Load under way. Dropping it stops the load.
#[derive(Debug)]
pub struct Running {
    t0: Instant,
    outcome: oneshot::Receiver<Result<Recording, LoadError>>,
    _stop: DropGuard,
}

/// From the moment the caller is told the start to the start itself: time to get collectors and
/// progress under way, so that the first arrival isn't late.
const LEAD_IN: Duration = Duration::from_millis(50);

/// Opens the connections, fixes the start and begins to send on a thread of its own.
///
/// The start, [`Running::t0`], is the zero of every offset; it lies a little ahead when this
/// returns. Requests go round the `targets` that are ready at their time. Every sample is sent to
/// `live` as its request ends; a receiver that polls a few times a second (`try_recv`) costs the
/// send loop next to nothing, one that waits (`recv`) a wake-up for each. What classes that keep
/// their answers were told goes to `told` before the sample does. `stop` ends the load early; what
/// is then in flight is on record as unfinished.
pub async fn start(
    plan: Plan,
    targets: watch::Receiver<Targets>,
    live: mpsc::UnboundedSender<Sample>,
    told: mpsc::UnboundedSender<Told>,
    stop: CancellationToken,
) -> Result<Running, LoadError> {
    let ready = prepare(plan, Share::WHOLE, targets, live, told, stop).await?;
    Ok(ready.begin(Instant::now() + LEAD_IN))
}

/// The first half of [`start`], for engines that share a plan and begin together: opens the connections.
pub async fn prepare(
    plan: Plan,
    share: Share,
    targets: watch::Receiver<Targets>,
    live: mpsc::UnboundedSender<Sample>,
    told: mpsc::UnboundedSender<Told>,
    stop: CancellationToken,
) -> Result<Ready, LoadError> {
    plan.validate()?;
    let stop = stop.child_token();
    let orders = engine::Orders {
        plan,
        share,
        targets,
        live,
        told,
        stop: stop.clone(),
    };
    let stop = stop.drop_guard();
    let (prepared, ready) = oneshot::channel();
    let (begin, start) = oneshot::channel();
    let (ended, outcome) = oneshot::channel();
    thread::Builder::new().name("load".into()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = ended.send(engine::run(orders, prepared, start));
    })?;
    match ready.await {
        Ok(()) => Ok(Ready {
            begin,
            outcome,
            stop,
        }),
        // It gave up before the start; the outcome says why.
        Err(_) => match outcome.await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(LoadError::Lost),
        },
    }
}

/// Load that only waits for its start. Dropping it gives it up.
#[derive(Debug)]
pub struct Ready {
    begin: oneshot::Sender<Instant>,
    outcome: oneshot::Receiver<Result<Recording, LoadError>>,
    stop: DropGuard,
}

impl Ready {
    /// Fixes the start, the zero of every offset. It should lie ahead: what is due before now leaves late.
    pub fn begin(self, t0: Instant) -> Running {
        // A thread that is gone says so through the outcome.
        let _ = self.begin.send(t0);
        Running {
            t0,
            outcome: self.outcome,
            _stop: self.stop,
        }
    }
}

impl Running {
    /// The zero of every offset.
    pub fn t0(&self) -> Instant {
        self.t0
    }

    /// Waits for the last request.
    pub async fn finish(self) -> Result<Recording, LoadError> {
        self.outcome.await.map_err(|_| LoadError::Lost)?
    }
}
