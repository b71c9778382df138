//! The run as it goes: the lines of `events.jsonl`.

use serde::{Deserialize, Serialize};

use crate::{Event, Outcome, RunId, Validity};

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// The first line: which run this is.
    Started {
        /// The run.
        run_id: RunId,
        /// Its scenario.
        scenario: String,
        /// Which code runs.
        code: String,
        /// How long the load will last, seconds.
        planned_s: f64,
    },
    /// How it stands, a few times a second.
    Tick(Tick),
    /// Something happened.
    Event(Event),
    /// The last line of a run that came to its end.
    Finished {
        /// Pass or fail, invalid or cancelled.
        outcome: Outcome,
        /// 0 to 100; none where nothing is said of the service.
        score: Option<u8>,
        /// How far the measurement can be believed; none in a journal from before this was said.
        #[serde(default)]
        validity: Option<Validity>,
    },
}

/// How a run stands at one moment. Rates and latency are of the second before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tick {
    /// Seconds since the load started.
    pub t_s: f64,
    /// Name of the phase.
    pub phase: String,
    /// Requests offered, req/s.
    pub offered_per_s: f64,
    /// Requests that went well, req/s.
    pub ok_per_s: f64,
    /// Requests that failed, timed out or were dropped, req/s.
    pub failed_per_s: f64,
    /// 95th percentile of the latency of what was answered, milliseconds; none where nothing was.
    pub p95_ms: Option<f64>,
    /// Sent and not answered yet.
    pub in_flight: u64,
    /// Replicas of the api that are ready.
    pub replicas: u32,
}

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A phase began.
    Phase,
    /// A fault went on or off.
    Fault,
    /// The number of replicas changed, or an autoscaler decided.
    Scaling,
    /// A part of the stack broke.
    Failure,
    /// Worth a line, no more.
    Note,
}
