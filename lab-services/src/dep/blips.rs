//! Blips: short stretches in which every call is refused, again and again.

use std::time::{Duration, Instant};

/// When a plan refuses calls.
pub(super) struct Blips {
    every: Duration,
    lasts: Duration,
    since: Instant,
}

impl Blips {
    /// Every so many milliseconds, for so many of them; zero turns them off. They are counted from now, and the first
    /// comes after half of the time between two, so that a plan begins and ends without.
    pub(super) fn new(every_ms: u64, lasts_ms: u64) -> Self {
        Self {
            every: Duration::from_millis(every_ms),
            lasts: Duration::from_millis(lasts_ms),
            since: Instant::now(),
        }
    }

    /// Whether there is one now.
    pub(super) fn refuse(&self) -> bool {
        self.refuse_after(self.since.elapsed())
    }

    fn refuse_after(&self, elapsed: Duration) -> bool {
        let Some(into) = elapsed.as_nanos().checked_rem(self.every.as_nanos()) else {
            return false;
        };
        let begin = self.every.as_nanos() / 2;
        (begin..begin + self.lasts.as_nanos()).contains(&into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_the_middle_between_two_and_last_as_long_as_they_should() {
        let blips = Blips::new(2000, 100);
        let refused = |ms| blips.refuse_after(Duration::from_millis(ms));
        let at = (0..6000).filter(|ms| refused(*ms));
        let expected = (1000..1100).chain(3000..3100).chain(5000..5100);
        assert!(at.eq(expected));
        assert!(
            !Blips::new(0, 100).refuse()
                && !Blips::new(2000, 0).refuse_after(Duration::from_secs(1))
        );
    }
}
