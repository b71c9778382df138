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
        self.0.saturating_record(took.as_micros() as u64);
    }

    pub(super) fn read(&self) -> Handshakes {
        Handshakes {
            count: self.0.len(),
            p50: Duration::from_micros(self.0.value_at_quantile(0.5)),
            max: Duration::from_micros(self.0.max()),
        }
    }
}
