//! How late sends leave, whatever their number.

use std::{mem, time::Duration};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::cells::Bag;

/// Significant decimal digits that are kept of a lateness in µs: each microsecond below 262 ms is told from the next,
/// which is finer than anything that is shown.
const DIGITS: u8 = 5;

/// The lateness of sends: how many there were, how many of them late, and their distribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Lateness {
    limit: Duration,
    late: u64,
    worst: Duration,
    micros: Histogram<u32>,
}

/// The same of a while, in a few bytes: to be added to what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lately {
    late: u64,
    worst: Duration,
    micros: Bag,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            limit: Duration::ZERO,
            late: 0,
            worst: Duration::ZERO,
            micros: Histogram::new(DIGITS).expect("from 0 to 5 digits are possible"),
        }
    }
}

impl Lateness {
    /// Of no send yet; what leaves later than `limit` is late.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Takes in a send; whether it is late.
    pub fn note(&mut self, lateness: Duration) -> bool {
        self.record(lateness);
        self.worst = self.worst.max(lateness);
        let late = lateness > self.limit;
        self.late += u64::from(late);
        late
    }

    fn record(&mut self, lateness: Duration) {
        // A bag has nothing larger, which is more than an hour.
        let micros = u32::try_from(lateness.as_micros()).unwrap_or(u32::MAX);
        self.micros
            .record(micros.into())
            .expect("a histogram that resizes itself takes any value");
    }

    /// Hands over all that was noted, and begins anew.
    pub(crate) fn take(&mut self) -> Lately {
        let values = self.micros.iter_recorded();
        let micros = values.map(|value| {
            let micros = u32::try_from(value.value_iterated_to()).unwrap_or(u32::MAX);
            (micros, value.count_at_value().into())
        });
        let micros = micros.collect();
        if self.sent() > 0 {
            self.micros.reset();
        }
        Lately {
            late: mem::take(&mut self.late),
            worst: mem::take(&mut self.worst),
            micros,
        }
    }

    /// Takes in what was noted in a while, under the same limit.
    pub(crate) fn merge(&mut self, lately: &Lately) {
        let Lately {
            late,
            worst,
            micros,
        } = lately;
        self.late += late;
        self.worst = self.worst.max(*worst);
        for (micros, times) in micros.iter() {
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            self.micros
                .record_n(micros.into(), times)
                .expect("a histogram that resizes itself takes any value");
        }
    }

    /// Number of sends.
    pub fn sent(&self) -> u64 {
        self.micros.len()
    }

    /// Number of those that left later than the limit.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Share of those, 0 to 1; 0 where nothing was sent.
    pub fn late_share(&self) -> f64 {
        self.late as f64 / self.sent().max(1) as f64
    }

    /// The lateness that 99 % of sends don't exceed (nearest rank); 0 where nothing was sent.
    ///
    /// It is the last moment of its microsecond, so that, shown with fewer digits, it is rounded as the lateness itself.
    pub fn p99(&self) -> Duration {
        let sent = self.sent();
        if sent == 0 {
            return Duration::ZERO;
        }
        let rank = (sent * 99).div_ceil(100);
        // Half a rank less, since the histogram rounds up.
        let micros = self
            .micros
            .value_at_quantile((rank as f64 - 0.5) / sent as f64);
        let last = Duration::from_micros(micros) + Duration::from_nanos(999);
        last.min(self.worst)
    }

    /// The worst lateness; 0 where nothing was sent.
    pub fn worst(&self) -> Duration {
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_sorting(
            nanos in proptest::collection::vec(
                prop_oneof![0u64..9_000_000, 0u64..262_000_000],
                1..300,
            ),
        ) {
            let limit = Duration::from_millis(25);
            let mut lateness = Lateness::new(limit);
            let mut all: Vec<Duration> = nanos.into_iter().map(Duration::from_nanos).collect();
            for one in &all {
                prop_assert_eq!(lateness.note(*one), *one > limit);
            }
            all.sort_unstable();
            let late = all.iter().filter(|one| **one > limit).count();
            prop_assert_eq!((lateness.sent(), lateness.late()), (all.len() as u64, late as u64));
            prop_assert_eq!(lateness.worst(), all[all.len() - 1]);
            let p99 = all[(all.len() * 99).div_ceil(100) - 1];
            let off = lateness.p99().checked_sub(p99);
            prop_assert!(off.is_some_and(|off| off < Duration::from_micros(1)), "{off:?}");
        }
    }

    #[test]
    fn nothing_sent_is_nothing_late() {
        assert_eq!(Lateness::default().p99(), Duration::ZERO);
        assert!(Lateness::default().late_share().abs() < f64::EPSILON);
    }
}
