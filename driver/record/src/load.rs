//! What became of the requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Bars, Cause};

/// What a class is called where people read: a bystander is one by name, since texts speak of bystanders.
pub fn called(name: &str, bystander: bool) -> String {
    let is_said = name.to_lowercase().contains("bystander");
    if bystander && !is_said {
        format!("{name} (bystander)")
    } else {
        name.to_owned()
    }
}

/// A request class and what became of its requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Class {
    /// Name, e.g. `quote`.
    pub name: String,
    /// Method and path, e.g. `GET /cases/timeouts`.
    pub request: String,
    /// True for traffic that has no part in the fault and should feel nothing.
    pub bystander: bool,
    /// Latency objective, milliseconds.
    pub slo_ms: f64,
    /// After this long from its intended send a request is given up, milliseconds.
    pub timeout_ms: f64,
    /// Statuses that are the wished answer; none in data from before this was noted.
    #[serde(default)]
    pub ok: Vec<u16>,
    /// Statuses that are the right way to refuse.
    #[serde(default)]
    pub expected: Vec<u16>,
    /// The whole run.
    pub total: PhaseStats,
    /// The phases, in order, by the phase of the intended send.
    pub by_phase: Vec<PhaseStats>,
}

/// A pod that sent a share of the load from inside the cluster, and how well it kept its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadPod {
    /// Its number, from 0.
    pub index: u32,
    /// Requests that it sent.
    pub sent: u64,
    /// How late a thread that does nothing else woke there, beside the load: 99th percentile, milliseconds. In data from
    /// before this was so it woke just before the load. None where the pod did not say.
    pub floor_p99_ms: Option<f64>,
    /// How late its sends left: 99th percentile, milliseconds.
    pub lateness_p99_ms: f64,
    /// The latest of its sends, milliseconds.
    pub lateness_max_ms: f64,
    /// How far off its clock may be from the driver's, milliseconds.
    pub clock_error_ms: f64,
    /// CPU of its send loop, of one core; 0 to 1. Of several loops that of the busiest.
    pub loop_cpu: f64,
    /// The send loops that shared its part of the schedule; none in data from before there could be several.
    #[serde(default)]
    pub loops: Vec<SendLoop>,
}

/// A loop that sent its share of the schedule on a thread of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SendLoop {
    /// Requests that it sent.
    pub sent: u64,
    /// Share of them that left later than the scenario allows; 0 to 1.
    pub late_share: f64,
    /// How late they left: 99th percentile, milliseconds.
    pub lateness_p99_ms: f64,
    /// The latest of them, milliseconds.
    pub lateness_max_ms: f64,
    /// CPU of its thread, of one core; 0 to 1.
    pub cpu: f64,
}

/// Counts and latency of a class over a stretch of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PhaseStats {
    /// Name of the phase, or `all`.
    pub phase: String,
    /// How the requests ended.
    pub counts: Totals,
    /// The same by status and by cause.
    #[serde(default)]
    pub ends: Ends,
    /// Share that went well within the objective, of all offered; 0 to 1.
    pub good_share: f64,
    /// From the intended send to the last byte, of all but right refusals: what users feel.
    pub latency: Latency,
    /// The same of those that were answered as wished, one by one; none in data from before this was noted.
    #[serde(default)]
    pub answers: Bars,
    /// From the intended send to a refusal as is right. Format 1 had these times in `latency` and in
    /// `service_time`.
    #[serde(default)]
    pub refusals: Latency,
    /// From the actual send to the last byte, of the same requests: what a closed-loop tool would have shown.
    pub service_time: Latency,
}

/// How requests ended. `offered = dropped + sent` and
/// `sent = ok + expected + failed + timed_out + unfinished`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Totals {
    /// Arrivals of the schedule.
    pub offered: u64,
    /// Never sent, because the bound on requests in flight was reached.
    pub dropped: u64,
    /// All others: written to a connection, or given up for want of one.
    pub sent: u64,
    /// Answered as wished.
    pub ok: u64,
    /// Refused in the way that the scenario calls right, e.g. a fast 504 while the dependency hangs.
    pub expected: u64,
    /// Answered otherwise, or the connection broke.
    pub failed: u64,
    /// Given up after the class's timeout.
    pub timed_out: u64,
    /// Neither answered nor given up when the run was cut short.
    pub unfinished: u64,
}

/// What the requests that ended by themselves ended with. The statuses add up to `ok`, to `expected` and, together
/// with all causes, to `failed`, each by the lists of the class; empty in data from before this was noted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ends {
    /// Whole answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without a whole answer that were not given up, by cause.
    pub errors: BTreeMap<Cause, u64>,
}

/// A distribution of times. Requests that failed, timed out or were dropped are in it as censored
/// values: slower than what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Latency {
    /// Median.
    pub p50: Option<Quantile>,
    /// 95th percentile.
    pub p95: Option<Quantile>,
    /// 99th percentile.
    pub p99: Option<Quantile>,
    /// The largest.
    pub max: Option<Quantile>,
}

/// One quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Quantile {
    /// Milliseconds.
    pub ms: f64,
    /// True where the value is only a lower bound: read it as "≥".
    pub censored: bool,
}
