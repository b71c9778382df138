//! What the autoscaler says of its own state: the conditions of `kubectl describe hpa`.

use std::fmt;

/// A statement about the autoscaler.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in Kubernetes' word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ConditionKind {
    /// It can read and set the target's replicas.
    AbleToScale,
    /// It can compute a replica count.
    ScalingActive,
    /// A limit keeps it from the count that it computed.
    ScalingLimited,
}

/// The one-word reasons of Kubernetes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The target does not exist.
    FailedGetScale,
    /// The target was found.
    SucceededGetScale,
    /// The target's replicas were set.
    SucceededRescale,
    /// Nothing stands in the way of a change.
    ReadyForNewScale,
    /// A recent, lower recommendation holds the count down.
    ScaleUpStabilized,
    /// A recent, higher recommendation holds the count up.
    ScaleDownStabilized,
    /// A count was computed.
    ValidMetricFound,
    /// No count could be computed.
    FailedGetResourceMetric,
    /// The target has zero replicas, which switches the autoscaler off.
    ScalingDisabled,
    /// No limit was met.
    DesiredWithinRange,
    /// `maxReplicas` was met.
    TooManyReplicas,
    /// `minReplicas` was met.
    TooFewReplicas,
    /// The speed limit upwards was met.
    ScaleUpLimit,
    /// The speed limit downwards was met.
    ScaleDownLimit,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The names above are Kubernetes' words.
        write!(f, "{self:?}")
    }
}

/// The conditions so far; each stays until it is set anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    pub(super) fn set(
        &mut self,
        kind: ConditionKind,
        holds: bool,
        reason: Reason,
        message: impl Into<String>,
    ) {
        self.0.retain(|condition| condition.kind != kind);
        self.0.push(Condition {
            kind,
            holds,
            reason,
            message: message.into(),
        });
        self.0.sort_by_key(|condition| condition.kind);
    }

    pub(super) fn to_vec(&self) -> Vec<Condition> {
        self.0.clone()
    }
}
