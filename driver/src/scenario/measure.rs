//! What a check can measure, and the limit it sets.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::{Dimension, Quantity, Reference, Setting};

/// What is measured. Every measure has one [`Dimension`], so that a limit in the wrong unit is
/// found when the file is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// Requests answered well within the class's SLO, as a share of those offered.
    GoodShare(Requests),
    /// Requests answered with a wished status, as a share of those offered.
    OkShare(Requests),
    /// Number of requests answered with a wished status.
    OkCount(Requests),
    /// Number of requests that had neither a wished answer nor a right refusal.
    FailedCount(Requests),
    /// Number of different keys among the requests answered with a wished status.
    DistinctOk(Requests),
    /// Keys asked for that had a wished answer in the end, however often their clients had to ask, as a share of all.
    SettledShare(Requests),
    /// Wished answers whose receipt is not the one in the provider's own book for that key. Phases are those of the
    /// answer.
    WrongReceipts(Requests),
    /// Keys in the provider's book that no request had: charged, and nobody asked for it.
    UnaskedReceipts(Requests),
    /// Wished answers whose key the provider's own book does not have in the end: work that was accepted and not done.
    /// Phases are those of the answer.
    Undone(Requests),
    /// Keys with more than one wished answer that does not say `replayed`, and keys asked for once whose answer does.
    WrongReplays(Requests),
    /// Payments on which clients, ledger and provider disagree.
    Ledger(Comparison),
    /// A percentile of the latency from the intended send.
    Latency(Latency),
    /// Time from the end of a phase until the class is good again and stays so.
    Recovery(Recovery),
    /// A statistic of an observed series.
    Series(Observed),
    /// One measure divided by another.
    Ratio(Box<Pair>),
    /// One measure less the sum of others.
    Difference(Box<Balance>),
    /// What the manifests of steps 4 and 6 set.
    Manifest(Setting),
    /// A fixed number, to divide or subtract by.
    Value(#[serde(deserialize_with = "super::units::finite")] f64),
}

/// Requests of a class.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// The class.
    pub class: Reference,
    /// The phases of their intended send; all where none is named.
    #[serde(default)]
    pub phases: Vec<Reference>,
}

/// A comparison of the ledger with another book.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The class whose requests are the payments.
    pub class: Reference,
    /// What to count.
    pub count: Disagreement,
}

/// How the ledger can disagree with what clients were told and with what the provider charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disagreement {
    /// A client was told that it is paid, and who looked right after found nothing in the ledger.
    NotAtOnce,
    /// A client was told that it is paid, and in the end the ledger has no such payment, or another receipt.
    Lost,
    /// Recorded, but the provider never charged it, or gave another receipt.
    Uncharged,
    /// Recorded, but no client asked for it, or for something else.
    Unasked,
    /// Charged by the provider, and in the end not recorded.
    Unrecorded,
}

/// A percentile of latency.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The class.
    pub class: Reference,
    /// The phases of the intended send; all where none is named.
    #[serde(default)]
    pub phases: Vec<Reference>,
    /// 1 to 100, e.g. 95.
    pub percentile: u64,
    /// Where given, the percentile is taken for each second of intended send and the largest of
    /// them counts: the peak.
    #[serde(default)]
    pub peak: bool,
}

/// Time to recover.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// The class.
    pub class: Reference,
    /// The phase whose end starts the clock.
    pub after: Reference,
}

/// A statistic of a series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The series.
    pub id: Reference,
    /// Which statistic.
    pub stat: Stat,
    /// The phases to look at; where none is named all of the run and what came after it, until
    /// every request was answered.
    #[serde(default)]
    pub phases: Vec<Reference>,
    /// Where given, each phase is cut into so many equal parts, and the least of their statistics
    /// counts: what is done in one stretch does not make up for another.
    pub least_of: Option<NonZeroU32>,
}

/// A statistic of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stat {
    /// Mean of the samples.
    Mean,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// The middle of the values in order; one slow stretch does not move it.
    Median,
    /// First sample.
    First,
    /// Last sample.
    Last,
    /// Last less first: what a counter grew by.
    Growth,
}

/// Two measures of one dimension.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The dividend.
    pub of: Measure,
    /// The divisor.
    pub over: Measure,
}

/// A sum that should come out even.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// What is there.
    pub of: Measure,
    /// What it is made of.
    pub minus: Vec<Measure>,
}

/// What a measured value must be.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Limit {
    /// Not below.
    AtLeast(Quantity),
    /// Not above.
    AtMost(Quantity),
    /// The same.
    Exactly(Quantity),
}

impl Limit {
    /// The number of the limit.
    pub fn quantity(&self) -> Quantity {
        match self {
            Self::AtLeast(quantity) | Self::AtMost(quantity) | Self::Exactly(quantity) => *quantity,
        }
    }

    /// Whether `value`, in the limit's base unit, keeps to it.
    pub fn holds(&self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit.value,
            Self::AtMost(limit) => value <= limit.value,
            Self::Exactly(limit) => (value - limit.value).abs() < 1e-9,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self {
            Self::AtLeast(_) => "≥",
            Self::AtMost(_) => "≤",
            Self::Exactly(_) => "=",
        };
        write!(f, "{sign} {}", self.quantity())
    }
}

impl Measure {
    /// The series that show what it measures, by id: those that it reads, and of the load its own
    /// (`driver/src/run/outcome.rs`). What is read in books is in none.
    pub fn series(&self) -> Vec<String> {
        let latency = |class: &Reference| vec![format!("p95:{}", class.get_ref())];
        match self {
            Self::GoodShare(requests) => latency(&requests.class),
            Self::Latency(of) => latency(&of.class),
            Self::Recovery(of) => latency(&of.class),
            Self::OkShare(_) | Self::SettledShare(_) => vec!["ok".to_owned()],
            Self::Series(of) => vec![of.id.get_ref().clone()],
            Self::Ratio(pair) => [pair.of.series(), pair.over.series()].concat(),
            Self::Difference(balance) => {
                let minus = balance.minus.iter().flat_map(Self::series);
                balance.of.series().into_iter().chain(minus).collect()
            }
            Self::FailedCount(_) => vec!["failed".to_owned()],
            Self::OkCount(_)
            | Self::DistinctOk(_)
            | Self::WrongReceipts(_)
            | Self::UnaskedReceipts(_)
            | Self::Undone(_)
            | Self::WrongReplays(_)
            | Self::Ledger(_)
            | Self::Manifest(_)
            | Self::Value(_) => Vec::new(),
        }
    }

    /// What its value counts.
    pub fn dimension(&self) -> Dimension {
        match self {
            Self::GoodShare(_) | Self::OkShare(_) | Self::SettledShare(_) => Dimension::Share,
            Self::Latency(_) | Self::Recovery(_) => Dimension::Time,
            Self::OkCount(_)
            | Self::FailedCount(_)
            | Self::DistinctOk(_)
            | Self::WrongReceipts(_)
            | Self::UnaskedReceipts(_)
            | Self::Undone(_)
            | Self::WrongReplays(_)
            | Self::Ledger(_)
            | Self::Series(_)
            | Self::Ratio(_)
            | Self::Manifest(_)
            | Self::Value(_) => Dimension::Count,
            Self::Difference(balance) => balance.of.dimension(),
        }
    }
}
