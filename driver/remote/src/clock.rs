//! By how much a pod's clock is ahead of the driver's, as NTP finds out: the exchange that took the least time was
//! delayed the least, and the truth is within half of what it took (RFC 5905, section 8).

use std::time::Duration;

/// One exchange, or what is known after several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Pod's clock less driver's, in nanoseconds.
    nanos: i128,
    /// The offset is off by no more than half of it.
    round_trip: Duration,
}

impl Offset {
    /// From an exchange: sent and back by the driver's clock, seen by the pod's.
    pub(crate) fn of(sent: Duration, seen: Duration, back: Duration) -> Self {
        let middle = i128::midpoint(nanos(sent), nanos(back));
        Self {
            nanos: nanos(seen) - middle,
            round_trip: back.saturating_sub(sent),
        }
    }

    /// The better of two.
    pub(crate) fn or(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.round_trip <= self.round_trip => other,
            _ => self,
        }
    }

    /// A moment of the driver's clock by the pod's.
    pub(crate) fn to_pod(self, driver: Duration) -> Duration {
        duration(nanos(driver) + self.nanos)
    }

    /// By how much it can be wrong.
    pub(crate) fn error(self) -> Duration {
        self.round_trip / 2
    }

    /// What the least delayed exchange took.
    pub(crate) fn round_trip(self) -> Duration {
        self.round_trip
    }

    /// By how much the clocks have come apart since `before`, as far as that can be told.
    pub(crate) fn drift_since(self, before: Self) -> Duration {
        let apart = duration((self.nanos - before.nanos).abs());
        apart.saturating_sub(self.error() + before.error())
    }
}

fn nanos(duration: Duration) -> i128 {
    duration.as_nanos().cast_signed()
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn the_quickest_exchange_counts() {
        let slow = Offset::of(us(1_000), us(51_500), us(9_000));
        let quick = Offset::of(us(20_000), us(66_050), us(20_100));
        for known in [slow.or(Some(quick)), quick.or(Some(slow)), quick.or(None)] {
            assert_eq!(known.to_pod(us(30_000)), us(76_000));
            assert_eq!(known.error(), us(50));
        }
    }

    #[test]
    fn drift_is_what_errors_do_not_explain() {
        let before = Offset::of(us(0), us(1_050), us(100));
        let after = Offset::of(us(10_000), us(12_050), us(10_100));
        assert_eq!(after.drift_since(before), us(900));
        assert_eq!(before.drift_since(before), us(0));
    }

    proptest! {
        #[test]
        fn the_truth_is_within_the_error(
            ahead in -1_000_000_i64..1_000_000,
            exchanges in proptest::collection::vec((0_u64..50_000, 0_u64..50_000), 1..20),
        ) {
            let start = 2_000_000;
            let mut known: Option<Offset> = None;
            for (n, (there, back)) in (0..).zip(exchanges) {
                let sent = start + n * 200_000;
                let seen = us((sent + there).checked_add_signed(ahead).unwrap());
                known = Some(Offset::of(us(sent), seen, us(sent + there + back)).or(known));
            }
            let known = known.unwrap();
            let truth = us(start.checked_add_signed(ahead).unwrap());
            prop_assert!(known.to_pod(us(start)).abs_diff(truth) <= known.error() + us(1));
        }
    }
}
