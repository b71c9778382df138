//! The load engine. It is open: requests leave when the schedule says, however slow the service,
//! and latency counts from that moment. It measures; what the figures mean is judged elsewhere.
//!
//! [`schedule`] and [`Plan`] say what will be sent; [`start`] sends it and ends in a [`Recording`], whose [`Cells`] hold
//! what became of the requests in memory that does not grow with their number; [`summary`] makes counts and percentiles
//! of that.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use engine::Orders;
use loops::{Start, UnderWay, Waiting};
use meter::Meter;

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
mod loops;
mod machine;
mod merge;
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
pub use cells::{Account, Cell, Cells, CellsPart, Ended};
pub use find::{Found, find};
pub use handshake::Handshakes;
pub use hiccup::{HICCUP_CELL, Hiccups, watch_for};
pub use lab_record::Cause;
pub use lateness::Lateness;
pub use loops::loops;
pub use machine::raise_open_files;
pub use merge::merge;
pub use plan::{Again, Body, ClassPlan, Plan, PlanError, Repeat, Share, is_path};
pub use request::refused_field;
pub use sample::{AddressUse, Connects, End, Ledger, LoopRecord, Recording, Sample, Told};
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
    loops: Vec<UnderWay>,
    _stop: DropGuard,
}

/// From the moment the caller is told the start to the start itself: time to get collectors and
/// progress under way, so that the first arrival isn't late.
const LEAD_IN: Duration = Duration::from_millis(50);

/// Opens the connections, fixes the start and begins to send on a thread of its own, or on as many as [`loops`] says.
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
    ready.begin(Instant::now() + LEAD_IN)
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
    let count = loops(&plan, share);
    let mut ready = Ready {
        loops: Vec::new(),
        stop: stop.clone().drop_guard(),
    };
    // One after the other: a server that takes few connections would turn any of them down.
    for share in share.split(count) {
        let orders = Orders {
            plan: plan.clone(),
            share,
            must_connect: ready.loops.is_empty(),
            targets: targets.clone(),
            live: live.clone(),
            told: told.clone(),
            stop: stop.clone(),
        };
        ready.loops.push(Waiting::prepare(orders).await?);
    }
    Ok(ready)
}

/// Load that only waits for its start. Dropping it gives it up.
#[derive(Debug)]
pub struct Ready {
    loops: Vec<Waiting>,
    stop: DropGuard,
}

impl Ready {
    /// Fixes the start, the zero of every offset. It should lie ahead: what is due before now leaves late.
    pub fn begin(self, t0: Instant) -> Result<Running, LoadError> {
        let meter = Arc::new(Meter::start(t0)?);
        let begun = self.loops.into_iter().map(|waiting| {
            let meter = Arc::clone(&meter);
            waiting.begin(Start { t0, meter })
        });
        Ok(Running {
            t0,
            loops: begun.collect(),
            _stop: self.stop,
        })
    }
}

impl Running {
    /// The zero of every offset.
    pub fn t0(&self) -> Instant {
        self.t0
    }

    /// Waits for the last request.
    pub async fn finish(self) -> Result<Recording, LoadError> {
        loops::finish(self.loops).await
    }
}
