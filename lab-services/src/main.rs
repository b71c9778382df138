//! `lab api`, `lab worker`, `lab dep` and `lab auditor`: one binary, one service a subcommand.

use std::io::{self, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::thread;

use clap::{Parser, Subcommand};
use lab_services::logs::LogArgs;
use lab_services::{api, auditor, dep, logs, worker};

/// The services of the workshop.
#[derive(Parser)]
#[command(name = "lab", version)]
struct Cli {
    #[command(subcommand)]
    service: Service,
    #[command(flatten)]
    logs: LogArgs,
}

#[derive(Subcommand)]
enum Service {
    /// Quotes, payments and CPU work, under one admission limit.
    Api(api::ApiArgs),
    /// Fast and slow jobs that share a few workers.
    Worker(worker::WorkerArgs),
    /// The dependency of the others, with faults that can be set while it runs.
    Dep(dep::DepArgs),
    /// The owner of the ledger, who looks at what is done with it.
    Auditor(auditor::AuditorArgs),
}

/// Besides the threads of the runtime: those that look names up and tell a standstill.
const THREADS_BESIDE: usize = 4;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logs::init(&cli.logs);
    match serve(cli.service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading; the exit code says it, too.
            let _ = writeln!(io::stderr(), "lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(service: Service) -> anyhow::Result<()> {
    let of_the_runtime = thread::available_parallelism().map_or(1, NonZero::get);
    lab_say::allow_threads(of_the_runtime + THREADS_BESIDE)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        match service {
            Service::Api(args) => api::run(args).await,
            Service::Worker(args) => worker::run(args).await,
            Service::Dep(args) => dep::run(args).await,
            Service::Auditor(args) => auditor::run(args).await,
        }
    })
}
