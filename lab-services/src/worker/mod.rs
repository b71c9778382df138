//! The batch service: jobs of two kinds that share a few workers.

mod batches;
mod counts;
mod job;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, value_parser};

pub use job::{Done, Job, Kind, Rejected};

use crate::cases::Lanes;
use crate::code::Code;
use crate::serve::{ListenArgs, serve};

/// Flags of `lab worker`.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// Which implementation of the case runs: mine, starter or solved.
    #[arg(long, env = "LAB_CODE", default_value = "mine", value_parser = Code::for_worker)]
    code: Code,
    /// Jobs that run at once.
    #[arg(long, env = "LAB_WORKERS", default_value_t = 8, value_name = "N", value_parser = value_parser!(u16).range(2..))]
    workers: u16,
    /// How long a fast job takes.
    #[arg(long, env = "LAB_FAST_MS", default_value_t = 10, value_name = "MS")]
    fast_ms: u64,
    /// How long a slow job takes.
    #[arg(long, env = "LAB_SLOW_MS", default_value_t = 1000, value_name = "MS")]
    slow_ms: u64,
}

/// How long the jobs of each kind take.
#[derive(Clone, Copy, Debug)]
struct ServiceTimes {
    fast: Duration,
    slow: Duration,
}

impl ServiceTimes {
    fn of(self, kind: Kind) -> Duration {
        match kind {
            Kind::Fast => self.fast,
            Kind::Slow => self.slow,
        }
    }
}

/// Serves until a signal.
pub async fn run(args: WorkerArgs) -> Result<()> {
    tracing::info!(code = %args.code, workers = args.workers, "worker starts");
    let lanes = Arc::new(Lanes::new(args.code, args.workers.into()));
    let times = ServiceTimes {
        fast: Duration::from_millis(args.fast_ms),
        slow: Duration::from_millis(args.slow_ms),
    };
    serve(&args.listen, 8081, batches::routes(lanes, times)).await
}
