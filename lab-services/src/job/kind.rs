//! The two kinds of jobs.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use serde::Serialize;

/// How long a job takes, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 10 ms.
    Fast,
    /// A second.
    Slow,
}

impl EncodeLabelValue for Kind {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
        .encode(encoder)
    }
}

/// A kind, as the label of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfKind {
    kind: Kind,
}

impl From<Kind> for OfKind {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

/// How long the jobs of each kind take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceTimes {
    pub(crate) fast: Duration,
    pub(crate) slow: Duration,
}

impl ServiceTimes {
    pub(crate) fn of(self, kind: Kind) -> Duration {
        match kind {
            Kind::Fast => self.fast,
            Kind::Slow => self.slow,
        }
    }
}
