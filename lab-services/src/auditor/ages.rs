//! How long transactions have been open, by a clock that nobody sets.
//!
//! PostgreSQL tells when a transaction began by the time of day. Where that is set meanwhile, by an hour or a day, so is
//! the age that comes of it. What was not open at the last look began after it, though, and that is an age which can't
//! be set.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A transaction: the process of its session, and when it began by the time of day, microseconds.
pub(super) type Transaction = (i32, i64);

/// The open transactions and when each began.
#[derive(Debug, Default)]
pub(super) struct Ages {
    looked: Option<Instant>,
    begun: HashMap<Transaction, Instant>,
}

impl Ages {
    /// The age of the oldest transaction of those that are `open` now, each with its age by the time of day, seconds.
    pub(super) fn oldest(
        &mut self,
        now: Instant,
        open: impl IntoIterator<Item = (Transaction, f64)>,
    ) -> Duration {
        let longest = self
            .looked
            .map(|looked| now.saturating_duration_since(looked));
        let begun = |age: f64| {
            let age = Duration::try_from_secs_f64(age).unwrap_or_default();
            now.checked_sub(longest.map_or(age, |longest| age.min(longest)))
        };
        let known = std::mem::take(&mut self.begun);
        let open = open.into_iter().map(|(transaction, age)| {
            let known = known.get(&transaction).copied();
            (transaction, known.or_else(|| begun(age)).unwrap_or(now))
        });
        self.begun = open.collect();
        self.looked = Some(now);
        let oldest = self.begun.values().min();
        oldest.map_or(Duration::ZERO, |begun| {
            now.saturating_duration_since(*begun)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Transaction = (1, 1000);
    const B: Transaction = (2, 2000);
    const HOUR: f64 = 3600.0;

    #[test]
    fn a_time_of_day_that_is_set_makes_no_transaction_older() {
        let start = Instant::now() + Duration::from_secs(10);
        let at = |ms| start + Duration::from_millis(ms);
        let mut ages = Ages::default();
        let mut oldest =
            |ms, open: &[(Transaction, f64)]| ages.oldest(at(ms), open.iter().copied()).as_millis();
        assert_eq!(
            oldest(0, &[(A, 0.2)]),
            200,
            "all that is known at the first look"
        );
        assert_eq!(
            oldest(100, &[(A, HOUR + 0.3), (B, HOUR + 0.05)]),
            300,
            "an hour ahead"
        );
        assert_eq!(
            oldest(200, &[(B, HOUR + 0.15)]),
            200,
            "it was not there at the look before"
        );
        assert_eq!(
            oldest(300, &[(B, -HOUR), (A, -HOUR)]),
            300,
            "two hours back"
        );
        assert_eq!(oldest(400, &[(A, 0.03)]), 100);
        assert_eq!(oldest(500, &[]), 0);
        assert_eq!(oldest(600, &[(B, 0.03)]), 30);
    }
}
