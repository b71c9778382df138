//! What can be said of a latency from one run before and one after.

use lab_record::Quantile;

/// Below this ratio of their latencies two single runs are not told apart.
const DISTINGUISHABLE: f64 = 2.0;

/// Nor below this share of the class's objective. 3 ms and 20 ms are both the luck of a shared machine where
/// users are promised 500 ms: of 828 pairs of identical runs of the workshop the factor alone called 8.5 %
/// different, with this 2.5 %.
const MATTERS: f64 = 0.1;

/// What can be said of a latency from one run each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The second is lower.
    Lower(Ratio),
    /// The second is higher.
    Higher(Ratio),
    /// No direction can be stated.
    NotDistinguishable,
    /// One of the two has no value.
    Unmeasured,
}

/// How many times larger one is than the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// At least 2.
    pub times: f64,
    /// True where the larger is itself only a lower bound.
    pub at_least: bool,
}

impl Change {
    /// From the first run's quantile to the second's, of a class with this objective in milliseconds.
    pub fn between(a: Option<Quantile>, b: Option<Quantile>, slo_ms: f64) -> Self {
        let (Some(a), Some(b)) = (a, b) else {
            return Self::Unmeasured;
        };
        if !(a.ms > 0.0 && b.ms > 0.0 && a.ms.is_finite() && b.ms.is_finite()) {
            return Self::NotDistinguishable;
        }
        // A lower bound says how large a value is at least, so it can only be the larger one.
        let ratio = |large: Quantile, small: Quantile| {
            let times = large.ms / small.ms;
            let matters = large.ms - small.ms >= MATTERS * slo_ms;
            (times >= DISTINGUISHABLE && matters && !small.censored).then_some(Ratio {
                times,
                at_least: large.censored,
            })
        };
        ratio(a, b)
            .map(Self::Lower)
            .or_else(|| ratio(b, a).map(Self::Higher))
            .unwrap_or(Self::NotDistinguishable)
    }
}
