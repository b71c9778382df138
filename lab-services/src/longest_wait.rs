//! The longest wait of a line so far, that of what waits still included.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Of one line.
#[derive(Debug, Default)]
pub(crate) struct LongestWait {
    /// Of the waits that have ended.
    ended: Duration,
    /// How many of each moment wait still.
    since: BTreeMap<Instant, usize>,
}

impl LongestWait {
    /// One more waits, from `since` on.
    pub(crate) fn begin(&mut self, since: Instant) {
        *self.since.entry(since).or_default() += 1;
    }

    /// One that has waited from `since` on waits no longer.
    pub(crate) fn end(&mut self, since: Instant, now: Instant) {
        self.ended = self.ended.max(now.duration_since(since));
        if let Some(waiting) = self.since.get_mut(&since) {
            *waiting -= 1;
            if *waiting == 0 {
                self.since.remove(&since);
            }
        }
    }

    /// As of `now`.
    pub(crate) fn so_far(&self, now: Instant) -> Duration {
        let first = self.since.keys().next();
        let waiting = first.map_or(Duration::ZERO, |since| now.duration_since(*since));
        self.ended.max(waiting)
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
        let (mut wait, start) = (LongestWait::default(), Instant::now());
        assert_eq!(wait.so_far(start + ms(100)), Duration::ZERO);
        // Two of one moment, and one later.
        wait.begin(start);
        wait.begin(start);
        wait.begin(start + ms(50));
        assert_eq!(wait.so_far(start + ms(300)), ms(300));
        wait.end(start, start + ms(20));
        let longest = wait.so_far(start + ms(300));
        assert_eq!(longest, ms(300), "the second of the moment waits still");
        wait.end(start, start + ms(120));
        assert_eq!(wait.so_far(start + ms(150)), ms(120));
        assert_eq!(wait.so_far(start + ms(300)), ms(250));
    }
}
