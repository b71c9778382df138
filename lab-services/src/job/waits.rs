//! How long jobs wait until they are started or turned away: the longest wait of each kind so far, those that
//! wait still included. A queue's length says less: whether 16 jobs are much depends on how fast they go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::kind::{Kind, OfKind};
use crate::longest_wait::LongestWait;

/// The waits of all jobs. Looked at, it takes in those that have not ended yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    fast: LongestWait,
    slow: LongestWait,
}

impl Waits {
    /// A job of `kind` came in at `submitted`.
    pub(super) fn begin(&self, kind: Kind, submitted: Instant) {
        self.lines().of(kind).begin(submitted);
    }

    /// It waits no longer.
    pub(super) fn end(&self, kind: Kind, submitted: Instant, now: Instant) {
        self.lines().of(kind).end(submitted, now);
    }

    fn longest(&self, kind: Kind, now: Instant) -> Duration {
        self.lines().of(kind).so_far(now)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn of(&mut self, kind: Kind) -> &mut LongestWait {
        match kind {
            Kind::Fast => &mut self.fast,
            Kind::Slow => &mut self.slow,
        }
    }
}

impl Collector for Waits {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut family = to.encode_descriptor(
            "lab_job_longest_wait_seconds",
            "Longest time from submission to start or refusal so far, of those that wait still as well",
            None,
            MetricType::Gauge,
        )?;
        let now = Instant::now();
        for kind in [Kind::Fast, Kind::Slow] {
            let (longest, of) = (self.longest(kind, now), OfKind::from(kind));
            ConstGauge::new(longest.as_secs_f64()).encode(family.encode_family(&of)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_line_of_its_own() {
        let (waits, start) = (Waits::default(), Instant::now());
        let later = start + Duration::from_millis(300);
        waits.begin(Kind::Slow, start);
        assert_eq!(waits.longest(Kind::Slow, later), later - start);
        assert_eq!(waits.longest(Kind::Fast, later), Duration::ZERO);
        waits.end(Kind::Slow, start, later);
        assert_eq!(
            waits.longest(Kind::Slow, later + Duration::from_secs(1)),
            later - start
        );
    }
}
