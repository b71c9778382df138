//! Whether it is the machine, and not its quota, that a service has too little CPU of: then what is slow is no doing of
//! the quota, and of no one who set it. Pure: each call says what time it is.

use std::time::Duration;

/// It is judged over so much time in which work wanted a core.
const WINDOW: Duration = Duration::from_secs(1);

/// Work that wanted a core for less than half of the time is not held up by the machine.
const WITHIN: Duration = Duration::from_secs(2);

/// The machine gives a quarter more than the quota, or it is the machine that limits.
const MARGIN: f64 = 1.25;

/// The work of one service that wants a core, and what it gets.
#[derive(Debug)]
pub(crate) struct Hunger {
    /// CPU time for each second of wanting it, from which on it is not the machine that limits.
    enough: f64,
    /// Pieces of work that want a core now.
    wanting: u32,
    /// Until when `wanted` is counted.
    counted: Duration,
    /// Since when this window lasts.
    begun: Duration,
    /// Time in which at least one piece of work wanted a core.
    wanted: Duration,
    /// CPU time that they got.
    used: Duration,
}

impl Hunger {
    /// Of a service that may use `quota` of a core.
    pub(crate) fn new(quota: f64) -> Self {
        Self {
            enough: MARGIN * quota,
            wanting: 0,
            counted: Duration::ZERO,
            begun: Duration::ZERO,
            wanted: Duration::ZERO,
            used: Duration::ZERO,
        }
    }

    /// A piece of work, granted by the quota, wants a core from `now` on.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.count(now);
        self.wanting += 1;
    }

    /// It has had what it was granted. How long the machine has kept the service short, where a window ends that it did.
    pub(crate) fn end(&mut self, now: Duration, used: Duration) -> Option<Duration> {
        self.count(now);
        self.wanting = self.wanting.saturating_sub(1);
        self.used += used;
        let lasted = now.saturating_sub(self.begun);
        if lasted < WINDOW || (self.wanted < WINDOW && lasted < WITHIN) {
            return None;
        }
        let short = self.used.as_secs_f64() < self.enough * self.wanted.as_secs_f64();
        let hungry = self.wanted >= WINDOW && short;
        (self.begun, self.wanted, self.used) = (now, Duration::ZERO, Duration::ZERO);
        hungry.then_some(lasted)
    }

    fn count(&mut self, now: Duration) {
        if self.wanting > 0 {
            self.wanted += now.saturating_sub(self.counted);
        }
        self.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: f64 = 0.2;
    const SLICE: Duration = Duration::from_millis(5);

    /// What is noted of ten seconds in which slices of 5 ms follow each other, each `pause` after the one before and
    /// each got at `share` of a core.
    fn noted(share: f64, pause: Duration) -> Vec<Duration> {
        let mut hunger = Hunger::new(QUOTA);
        let (mut now, mut noted) = (Duration::ZERO, Vec::new());
        while now < Duration::from_secs(10) {
            hunger.begin(now);
            now += SLICE.div_f64(share);
            noted.extend(hunger.end(now, SLICE));
            now += pause;
        }
        noted
    }

    #[test]
    fn a_core_of_its_own_is_enough_however_small_the_quota() {
        // At the quota: 5 ms in 25.
        assert_eq!(noted(1.0, Duration::from_millis(20)), []);
        // Above it, as slices overlap that were granted before.
        assert_eq!(noted(1.0, Duration::ZERO), []);
    }

    #[test]
    fn half_a_core_and_more_than_the_quota_are_enough() {
        assert_eq!(noted(0.5, Duration::from_millis(15)), []);
        assert_eq!(noted(0.3, Duration::ZERO), []);
    }

    #[test]
    fn less_than_the_quota_is_the_machine_s_doing() {
        let noted = noted(0.12, Duration::ZERO);
        assert!((8..=10).contains(&noted.len()), "{noted:?}");
        let long = |lasted: &Duration| (WINDOW..WITHIN).contains(lasted);
        assert!(noted.iter().all(long), "{noted:?}");
    }

    #[test]
    fn work_side_by_side_counts_as_one() {
        let mut hunger = Hunger::new(QUOTA);
        let ms = Duration::from_millis;
        let mut noted = Vec::new();
        for start in (0..3000).step_by(50) {
            // Three at once, a tenth of a core each: more than the quota together.
            (0..3).for_each(|_| hunger.begin(ms(start)));
            noted.extend((0..3).filter_map(|_| hunger.end(ms(start + 50), SLICE)));
        }
        assert_eq!(noted, []);
    }
}
