//! Times with percentiles, some of them only known to be at least so long.

use std::time::Duration;

use hdrhistogram::Histogram;
use lab_record::{Latency, Quantile};

/// Significant decimal digits that are kept of a time.
const DIGITS: u8 = 3;

/// Values below this are told apart; of each further power of two, half as many. They are as many as three digits need.
const SUB_BUCKETS: u64 = 2048;

/// An `HdrHistogram` of microseconds that knows which of its values are lower bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    micros: Histogram<u64>,
    lowest_censored: Option<u64>,
}

/// The lower of two bounds, as far as there are any.
pub(crate) fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            micros: Histogram::new(DIGITS).expect("from 0 to 5 digits are possible"),
            lowest_censored: None,
        }
    }
}

impl FromIterator<(Duration, bool)> for Distribution {
    fn from_iter<I: IntoIterator<Item = (Duration, bool)>>(times: I) -> Self {
        let mut distribution = Self::default();
        for time in times {
            distribution.record(time);
        }
        distribution
    }
}

impl Distribution {
    /// What is kept of a time, its first digits: the least that is not told apart from it.
    pub fn kept(time: Duration) -> Duration {
        Duration::from_micros(Self::lowest(Self::bucket(Self::micros(time))))
    }

    /// The times in µs, lower bounds among them.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.micros
    }

    /// Takes in a time and whether it is only a lower bound.
    pub(crate) fn record(&mut self, (time, censored): (Duration, bool)) {
        let micros = Self::micros(time);
        self.record_times(micros, 1);
        if censored {
            self.censor(Some(micros));
        }
    }

    /// Takes in so many values of a bucket.
    pub(crate) fn record_bucket(&mut self, bucket: u32, times: u64) {
        self.record_times(Self::lowest(bucket), times);
    }

    fn record_times(&mut self, micros: u64, times: u64) {
        self.micros
            .record_n(micros, times)
            .expect("a histogram that resizes itself takes any value");
    }

    /// Hands over all values, as buckets in order with how many there are in each, and the least lower bound among them.
    /// None are left.
    pub(crate) fn take(&mut self) -> (Vec<(u32, u64)>, Option<u64>) {
        let lowest = self.lowest_censored.take();
        if self.micros.is_empty() {
            return (Vec::new(), lowest);
        }
        let values = self.micros.iter_recorded();
        let buckets = values
            .map(|value| {
                let bucket = Self::bucket(value.value_iterated_to());
                (bucket, value.count_at_value())
            })
            .collect();
        self.micros.reset();
        (buckets, lowest)
    }

    /// Takes in that some of the values are lower bounds, the least of which is this, in µs.
    pub(crate) fn censor(&mut self, lowest: Option<u64>) {
        self.lowest_censored = lower(self.lowest_censored, lowest);
    }

    /// Takes in all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.micros
            .add(&other.micros)
            .expect("a histogram that resizes itself takes any value");
        self.censor(other.lowest_censored);
    }

    /// What is kept of a time, before its digits are.
    pub(crate) fn micros(time: Duration) -> u64 {
        u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
    }

    /// The number of the bucket of a time in µs: times that the distribution doesn't tell apart share it.
    pub(crate) fn bucket(micros: u64) -> u32 {
        let halvings = (u64::BITS - micros.leading_zeros()).saturating_sub(SUB_BUCKETS.ilog2());
        halvings * (SUB_BUCKETS / 2) as u32 + (micros >> halvings) as u32
    }

    /// The least time of a bucket, in µs.
    pub(crate) fn lowest(bucket: u32) -> u64 {
        let half = (SUB_BUCKETS / 2) as u32;
        let halvings = (bucket / half).saturating_sub(1);
        let digits = u64::from(bucket - halvings * half);
        // There is no such bucket, whoever sends it.
        digits.checked_shl(halvings).unwrap_or(u64::MAX)
    }

    /// The value that `percent` of all values don't exceed (nearest rank); none where there are no
    /// values.
    ///
    /// It is a lower bound where any censored value lies at or below it: the true value of that
    /// one may lie anywhere above.
    pub fn percentile(&self, percent: u64) -> Option<Quantile> {
        Some(self.quantile(self.value_at(percent)?))
    }

    /// The same as a time, of values that are all known.
    pub(crate) fn time_at(&self, percent: u64) -> Option<Duration> {
        self.value_at(percent).map(Duration::from_micros)
    }

    fn value_at(&self, percent: u64) -> Option<u64> {
        let count = self.micros.len();
        let rank = (count * percent).div_ceil(100).max(1);
        // Half a rank less, since the histogram rounds up: 0.95 × 20 is not quite 19 in floats.
        let quantile = (rank as f64 - 0.5) / count as f64;
        (count > 0).then(|| self.micros.value_at_quantile(quantile))
    }

    /// The percentiles that a record keeps.
    pub fn quantiles(&self) -> Latency {
        Latency {
            p50: self.percentile(50),
            p95: self.percentile(95),
            p99: self.percentile(99),
            max: self.percentile(100),
        }
    }

    fn quantile(&self, micros: u64) -> Quantile {
        let censored = self.lowest_censored.is_some_and(|lowest| lowest <= micros);
        // A value stands for all that share its first digits. "At least" must not overstate.
        let micros = if censored {
            self.micros.lowest_equivalent(micros)
        } else {
            micros
        };
        Quantile {
            ms: micros as f64 / 1000.0,
            censored,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[(u64, bool)]) -> Distribution {
        values
            .iter()
            .map(|(ms, censored)| (Duration::from_millis(*ms), *censored))
            .collect()
    }

    fn close(quantile: Option<Quantile>, ms: f64, censored: bool) {
        let quantile = quantile.expect("there are values");
        assert_eq!(quantile.censored, censored, "{quantile:?}");
        assert!(
            (quantile.ms - ms).abs() <= ms / 1000.0,
            "{quantile:?}, not {ms}"
        );
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred: Vec<_> = (1..=100).map(|ms| (ms, false)).collect();
        let distribution = of(&hundred);
        for percent in [1, 50, 95, 99, 100] {
            close(distribution.percentile(percent), percent as f64, false);
        }
        close(of(&[(5, false)]).percentile(50), 5.0, false);
        assert_eq!(Distribution::default().percentile(50), None);
    }

    #[test]
    fn twenty_values_have_their_p95_at_the_nineteenth() {
        let twenty: Vec<_> = (1..=20).map(|ms| (ms, false)).collect();
        close(of(&twenty).percentile(95), 19.0, false);
    }

    #[test]
    fn a_bound_above_leaves_lower_percentiles_exact() {
        // 10 requests, one of which was given up after 2 s.
        let mut values: Vec<_> = (1..=9).map(|ms| (ms, false)).collect();
        values.push((2000, true));
        let distribution = of(&values);
        close(distribution.percentile(50), 5.0, false);
        close(distribution.percentile(90), 9.0, false);
        close(distribution.percentile(95), 2000.0, true);
    }

    #[test]
    fn a_bound_below_makes_a_bound_of_what_is_above() {
        // One was cut off after 3 ms: the 5 ms of the others may be the p50 or not.
        let distribution = of(&[(1, false), (3, true), (5, false), (5, false)]);
        close(distribution.percentile(25), 1.0, false);
        close(distribution.percentile(50), 3.0, true);
        close(distribution.percentile(100), 5.0, true);
    }

    #[test]
    fn a_lower_bound_is_not_rounded_up() {
        let quantile = of(&[(10_000, true)]).percentile(99).unwrap();
        assert!(quantile.ms <= 10_000.0, "{quantile:?}");
    }

    proptest! {
        #[test]
        fn a_bucket_is_what_the_histogram_does_not_tell_apart(
            micros in prop_oneof![0u64..10_000, 0u64..100_000_000, any::<u64>()],
        ) {
            let histogram = Distribution::default().micros;
            let lowest = Distribution::lowest(Distribution::bucket(micros));
            prop_assert_eq!(lowest, histogram.lowest_equivalent(micros));
            let next = histogram.next_non_equivalent(micros);
            if next > micros {
                prop_assert_eq!(Distribution::bucket(next), Distribution::bucket(micros) + 1);
            }
        }

        #[test]
        fn percentiles_agree_with_sorting(
            values in proptest::collection::vec((0u64..20_000, any::<bool>()), 1..200),
            percent in 1u64..=100,
        ) {
            let mut sorted: Vec<u64> = values.iter().map(|(ms, _)| *ms).collect();
            sorted.sort_unstable();
            let rank = (values.len() * percent as usize).div_ceil(100);
            let exact = sorted[rank - 1];
            let seen = of(&values).percentile(percent).unwrap();
            prop_assert!((seen.ms - exact as f64).abs() <= exact as f64 / 1000.0 + 0.001);
            // Where two values share their first digits the flag may err on the side of doubt.
            if values.iter().any(|(ms, censored)| *censored && *ms <= exact) {
                prop_assert!(seen.censored);
            }
        }
    }
}
