//! How long jobs wait until they are started or turned away: the longest wait of each kind so far, those that
//! wait still included. A queue's length says less: whether 16 jobs are much depends on how fast they go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::kind::{Kind, OfKind};

/// The waits of all jobs. Looked at, it takes in those that have not ended yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    fast: Line,
    slow: Line,
}

#[derive(Debug, Default)]
struct Line {
    /// Of the waits that have ended.
    longest: Duration,
    /// How many jobs of each moment wait still.
    since: BTreeMap<Instant, usize>,
}

impl Waits {
    /// A job of `kind` came in at `submitted`.
    pub(super) fn begin(&self, kind: Kind, submitted: Instant) {
        let mut lines = self.lines();
        *lines.of(kind).since.entry(submitted).or_default() += 1;
    }

    /// It waits no longer.
    pub(super) fn end(&self, kind: Kind, submitted: Instant, now: Instant) {
        let mut lines = self.lines();
        let line = lines.of(kind);
        line.longest = line.longest.max(now.duration_since(submitted));
        if let Some(jobs) = line.since.get_mut(&submitted) {
            *jobs -= 1;
            if *jobs == 0 {
                line.since.remove(&submitted);
            }
        }
    }

    fn longest(&self, kind: Kind, now: Instant) -> Duration {
        let mut lines = self.lines();
        let line = lines.of(kind);
        let oldest = line.since.keys().next();
        let age = oldest.map_or(Duration::ZERO, |since| now.duration_since(*since));
        line.longest.max(age)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn of(&mut self, kind: Kind) -> &mut Line {
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

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_longest_wait_stays_and_the_oldest_that_waits_still_counts() {
        let (waits, start) = (Waits::default(), Instant::now());
        let longest = |after| waits.longest(Kind::Slow, start + ms(after));
        assert_eq!(longest(100), Duration::ZERO);
        // Two of one batch, and one later.
        waits.begin(Kind::Slow, start);
        waits.begin(Kind::Slow, start);
        waits.begin(Kind::Slow, start + ms(50));
        assert_eq!(longest(300), ms(300));
        waits.end(Kind::Slow, start, start + ms(20));
        assert_eq!(longest(300), ms(300), "the second of the batch waits still");
        waits.end(Kind::Slow, start, start + ms(120));
        assert_eq!(longest(150), ms(120));
        assert_eq!(longest(300), ms(250));
        assert_eq!(waits.longest(Kind::Fast, start + ms(300)), Duration::ZERO);
    }
}
