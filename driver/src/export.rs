//! A run in the formats of other tools, made from its data alone. Pure.
//!
//! An HDR log is made of counts of every latency, and the data of a run keeps quantiles: see `run::hdr`.

mod csv;
mod openmetrics;
#[cfg(test)]
mod tests;

use clap::ValueEnum;
use lab_record::{Latency, PhaseStats, Quantile, Run};

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A row a class and phase: counts and percentiles
    CsvClasses,
    /// A row a point of everything that is drawn over time
    CsvSeries,
    /// Both as samples with timestamps, as `promtool tsdb create-blocks-from openmetrics` takes them
    Openmetrics,
}

/// The text of a run in a format, with a line feed at its end.
pub fn export(run: &Run, format: Format) -> String {
    match format {
        Format::CsvClasses => csv::classes(run),
        Format::CsvSeries => csv::series(run),
        Format::Openmetrics => openmetrics::text(run),
    }
}

/// What a phase has of times, by name.
fn times(stats: &PhaseStats) -> [(&'static str, &Latency); 3] {
    [
        ("latency", &stats.latency),
        ("refusal", &stats.refusals),
        ("service_time", &stats.service_time),
    ]
}

/// The quantiles of a distribution: name, share, value.
fn quantiles(latency: &Latency) -> [(&'static str, &'static str, Option<Quantile>); 4] {
    [
        ("p50", "0.5", latency.p50),
        ("p95", "0.95", latency.p95),
        ("p99", "0.99", latency.p99),
        ("max", "1.0", latency.max),
    ]
}

/// How the requests of a phase ended, by name: together all that were offered.
fn ends(stats: &PhaseStats) -> [(&'static str, u64); 6] {
    let counts = &stats.counts;
    [
        ("ok", counts.ok),
        ("expected", counts.expected),
        ("failed", counts.failed),
        ("timed_out", counts.timed_out),
        ("dropped", counts.dropped),
        ("unfinished", counts.unfinished),
    ]
}
