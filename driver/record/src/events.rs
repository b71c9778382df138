//! The run as it goes: the lines of `events.jsonl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Event, Outcome, Phase, RunId, Stage, Validity};

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
    /// The second line: what will happen, and by what it is judged. None in a journal from before this was said.
    Planned {
        /// The stretches of the run, in order.
        phases: Vec<Phase>,
        /// The request classes.
        classes: Vec<PlannedClass>,
        /// True where the number of replicas may change.
        scales: bool,
        /// What stands on the stage, where the scenario has one.
        #[serde(default)]
        stage: Option<Box<Stage>>,
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

/// A request class, as far as it takes to follow a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedClass {
    /// Its name.
    pub name: String,
    /// True for traffic that has no part in the fault and should feel nothing.
    pub bystander: bool,
    /// Latency objective, milliseconds.
    pub slo_ms: f64,
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
    /// Requests that were answered as wished, req/s.
    pub ok_per_s: f64,
    /// Requests that were refused as is right, req/s. In a journal from before these were told apart they are among
    /// the `ok`.
    #[serde(default)]
    pub refused_per_s: f64,
    /// Requests that failed, timed out or were dropped, req/s.
    pub failed_per_s: f64,
    /// 95th percentile of the latency of all classes together, right refusals apart, milliseconds; none where nothing
    /// ended.
    pub p95_ms: Option<f64>,
    /// The same of each class; one of which nothing ended is not there.
    #[serde(default)]
    pub p95_ms_by_class: BTreeMap<String, f64>,
    /// Sent and not answered yet.
    pub in_flight: u64,
    /// Replicas of the api that are ready.
    pub replicas: u32,
    /// What the stage shows, as in a [`Frame`](crate::Frame); nothing where there is none.
    #[serde(default)]
    pub stage: BTreeMap<String, f64>,
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
