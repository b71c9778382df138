//! Structured logs on stderr: JSON lines for a collector, or text for a reader. Stdout stays free for the address.

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// How the service logs.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// Shape of a log line.
    #[arg(long, global = true, env = "LAB_LOG_FORMAT", default_value = "json")]
    log_format: LogFormat,
    /// What to log, as in `info,lab_services=debug`.
    #[arg(
        long,
        global = true,
        env = "LAB_LOG",
        default_value = "info,sqlx=error",
        value_name = "LEVELS"
    )]
    log: Targets,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

/// Installs the logger of the process.
pub fn init(args: &LogArgs) {
    let lines = match args.log_format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => fmt::layer().compact().with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(args.log.clone()))
        .init();
}
