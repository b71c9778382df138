//! The front service: quotes, payments, CPU work and their bystander, under one admission limit.

mod admission;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use reqwest::Url;

use crate::cgroup::Millicores;
use crate::code::Code;
use crate::database::{Database, PoolSize, connect_options};
use crate::dep::Dep;
use crate::peers::Peers;
use crate::quota::Cpu;
use crate::replica::Replica;
use crate::serve::{Door, ListenArgs, serve, serve_until_left};
use crate::steps::{self, ApiMeans, Sizes};

/// Flags of `lab api`.
#[derive(Args, Debug)]
pub struct ApiArgs {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    sizes: Sizes,
    /// Which implementation of the cases runs: mine, starter or solved.
    #[arg(long, env = "LAB_CODE", default_value = "mine", value_parser = steps::api_code)]
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
    /// After a signal, end as the case of step 6 says.
    #[arg(long, env = "LAB_LEAVES_BY_CASE")]
    leaves_by_case: bool,
}

/// Serves until a signal.
pub async fn run(args: ApiArgs) -> Result<()> {
    let sizes = steps::sizes(args.code, args.sizes);
    let pool = PoolSize {
        connections: sizes.pool_size,
        acquire_timeout: Duration::from_millis(args.pool_acquire_timeout_ms),
    };
    let mut peers = Peers::default().with_dep(&args.dep_url);
    if let Some(url) = &args.database_url {
        peers = peers.with_database(&connect_options(url)?);
    }
    let door = Door::default();
    let replica = Replica::behind(door.clone());
    let means = ApiMeans {
        code: args.code,
        replica: replica.clone(),
        dep: Dep::new(&args.dep_url)?,
        database: args
            .database_url
            .as_deref()
            .map(|url| Database::open(url, pool))
            .transpose()?,
        cpu: Arc::new(Cpu::new(Millicores(args.cpu_quota_millicores))),
    };
    tracing::info!(code = %means.code, ?sizes, "api starts");
    let app = routes::routes(means, peers, sizes.admission_slots, args.crashable);
    if args.leaves_by_case {
        let leave = steps::leave(args.code, replica);
        serve_until_left(&args.listen, 8080, app, door, leave).await
    } else {
        serve(&args.listen, 8080, app).await
    }
}
