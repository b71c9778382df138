//! The front service: quotes, payments, CPU work and their bystander, under one admission limit.

mod admission;
mod pool;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, value_parser};
use reqwest::Url;

use crate::cases;
use crate::code::Code;
use crate::database::{Database, PoolSize, connect_options};
use crate::dep::Dep;
use crate::peers::Peers;
use crate::quota::{Cpu, Millicores};
use crate::serve::{ListenArgs, serve};

/// Flags of `lab api`.
#[derive(Args, Debug)]
pub struct ApiArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    pub(crate) sizes: Sizes,
    /// Which implementation of the cases runs: mine, starter or solved.
    #[arg(long, env = "LAB_CODE", default_value = "mine", value_parser = Code::for_api)]
    code: Code,
    /// Where `lab dep` is.
    #[arg(
        long,
        env = "LAB_DEP_URL",
        default_value = "http://127.0.0.1:8082",
        value_name = "URL"
    )]
    dep_url: Url,
    /// The Postgres database for /cases/tx, as in `postgres://user@host:5432/database`.
    #[arg(
        long,
        env = "LAB_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<String>,
    /// How long a case may wait for a connection of the pool.
    #[arg(
        long,
        env = "LAB_POOL_ACQUIRE_TIMEOUT_MS",
        default_value_t = 3000,
        value_name = "MS"
    )]
    pool_acquire_timeout_ms: u64,
    /// Emulated CPU quota in thousandths of a CPU, in periods of 100 ms; 0 for none.
    #[arg(
        long,
        env = "LAB_CPU_QUOTA_MILLICORES",
        default_value_t = 0,
        value_name = "MILLICORES"
    )]
    cpu_quota_millicores: u32,
    /// Let `POST /debug/crash` end this process as a crash would, for a driver that can't send it a signal.
    #[arg(long, env = "LAB_CRASHABLE")]
    crashable: bool,
}

/// The bounds on which a scenario turns.
#[derive(Args, Clone, Debug)]
pub(crate) struct Sizes {
    /// Requests to /cases that are at work at once; the others wait.
    #[arg(long, env = "LAB_ADMISSION_SLOTS", default_value_t = 16, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) admission_slots: u32,
    /// Connections in the pool.
    #[arg(long, env = "LAB_POOL_SIZE", default_value_t = 10, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) pool_size: u32,
}

/// What the handlers share.
#[derive(Clone)]
struct Api {
    code: Code,
    dep: Dep,
    database: Option<Database>,
    cpu: Arc<Cpu>,
}

/// Serves until a signal.
pub async fn run(args: ApiArgs) -> Result<()> {
    let sizes = cases::api_sizes(args.code, args.sizes);
    let pool = PoolSize {
        connections: sizes.pool_size,
        acquire_timeout: Duration::from_millis(args.pool_acquire_timeout_ms),
    };
    let mut peers = Peers::default().with_dep(&args.dep_url);
    if let Some(url) = &args.database_url {
        peers = peers.with_database(&connect_options(url)?);
    }
    let api = Api {
        code: args.code,
        dep: Dep::new(&args.dep_url)?,
        database: args
            .database_url
            .as_deref()
            .map(|url| Database::open(url, pool))
            .transpose()?,
        cpu: Arc::new(Cpu::new(Millicores(args.cpu_quota_millicores))),
    };
    tracing::info!(code = %api.code, ?sizes, "api starts");
    serve(
        &args.listen,
        8080,
        routes::routes(api, peers, sizes.admission_slots, args.crashable),
    )
    .await
}
