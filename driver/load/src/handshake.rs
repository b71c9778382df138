//! How long the TLS handshakes of a run took, apart from the requests that waited for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::summary::Distribution;

/// The handshakes of a run's connections, those before the start too: from the end of the TCP connect to the moment when
/// the first request may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshakes {
    /// How many there were.
    pub count: u64,
    /// Median.
    pub p50: Duration,
    /// The longest.
    pub max: Duration,
}

impl Handshakes {
    /// Those that took these times.
    pub(super) fn of(times: &Distribution) -> Self {
        Self {
            count: times.histogram().len(),
            p50: times.time_at(50).unwrap_or_default(),
            max: times.time_at(100).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_handshakes_are_as_long_as_they_were() {
        let times = [1, 30, 40, 4_000].map(|took| (Duration::from_millis(took), false));
        let seen = Handshakes::of(&times.into_iter().collect());
        assert_eq!(seen.count, 4);
        // To three digits.
        let near = |seen: Duration, ms: f64| (seen.as_secs_f64() * 1e3 / ms - 1.0).abs() < 1e-3;
        assert!(near(seen.p50, 30.0) && near(seen.max, 4_000.0), "{seen:?}");
    }
}
