//! How long the TLS handshakes of a run took, apart from the requests that waited for them.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

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

/// Takes them in: in microseconds, to three digits.
pub(super) struct Clock(Histogram<u64>);

impl Default for Clock {
    fn default() -> Self {
        Self(Histogram::new(3).expect("from 0 to 5 digits are possible"))
    }
}

impl Clock {
    pub(super) fn note(&mut self, took: Duration) {
        // What saturates does not grow: to `saturating_record` all that is above 2 ms would be 2 µs.
        let recorded = self.0.record(took.as_micros() as u64);
        recorded.expect("it grows with its values");
    }

    pub(super) fn read(&self) -> Handshakes {
        Handshakes {
            count: self.0.len(),
            p50: Duration::from_micros(self.0.value_at_quantile(0.5)),
            max: Duration::from_micros(self.0.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_handshakes_are_as_long_as_they_were() {
        let mut clock = Clock::default();
        for took in [1, 30, 40, 4_000] {
            clock.note(Duration::from_millis(took));
        }
        let seen = clock.read();
        assert_eq!(seen.count, 4);
        // To three digits.
        let near = |seen: Duration, ms: f64| (seen.as_secs_f64() * 1e3 / ms - 1.0).abs() < 1e-3;
        assert!(near(seen.p50, 30.0) && near(seen.max, 4_000.0), "{seen:?}");
    }
}
