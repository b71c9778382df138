//! The batch service: jobs of two kinds that share a few workers.

use std::time::Duration;

use anyhow::Result;
use axum::routing::get;
use clap::{Args, value_parser};

use crate::code::Code;
use crate::job::ServiceTimes;
use crate::metrics::{self, Registry};
use crate::serve::{ListenArgs, serve};
use crate::steps::{self, WorkerMeans};

/// Flags of `lab worker`.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    #[command(flatten)]
    listen: ListenArgs,
    /// Which implementation of the case runs: mine, starter or solved.
    #[arg(long, env = "LAB_CODE", default_value = "mine", value_parser = steps::worker_code)]
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

/// Serves until a signal.
pub async fn run(args: WorkerArgs) -> Result<()> {
    tracing::info!(code = %args.code, workers = args.workers, "worker starts");
    let means = WorkerMeans {
        code: args.code,
        workers: args.workers.into(),
        times: ServiceTimes {
            fast: Duration::from_millis(args.fast_ms),
            slow: Duration::from_millis(args.slow_ms),
        },
    };
    let mut registry = Registry::default();
    let app = steps::in_worker(&means, &mut registry)
        .route("/healthz", get("ok"))
        .route("/readyz", get("ready"))
        .route("/debug/code", get(steps::sources))
        .merge(metrics::routes(registry));
    serve(&args.listen, 8081, app).await
}
