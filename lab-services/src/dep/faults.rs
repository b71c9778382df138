//! The fault plan: what happens to each call, decided from the plan and the call's number alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::blips::Blips;

/// Faults as set over HTTP. Zero turns each of them off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FaultPlan {
    /// How long a call takes.
    latency_ms: u64,
    /// A call takes up to this much more or less, evenly spread.
    jitter_ms: u64,
    /// Every so-many-th call hangs, counted from when the plan was set.
    hang_every: u64,
    /// How long a call that hangs takes.
    hang_ms: u64,
    /// The share of calls that end in an error.
    error_share: f64,
    /// Calls that run at once; others wait.
    capacity: usize,
    /// So many wait at most and are worked on in turn, also when their callers have gone; zero leaves the line to those who
    /// stay, however many.
    line: usize,
    /// Every so often all calls are refused.
    blip_every_ms: u64,
    /// For so long.
    blip_ms: u64,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self {
            latency_ms: 20,
            jitter_ms: 0,
            hang_every: 0,
            hang_ms: 5000,
            error_share: 0.0,
            capacity: 0,
            line: 0,
            blip_every_ms: 0,
            blip_ms: 0,
        }
    }
}

/// What happens to one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) takes: Duration,
    pub(super) hangs: bool,
    pub(super) fails: bool,
}

/// What a caller asks for itself, over the plan.
#[derive(Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) takes: Option<Duration>,
    pub(super) fail_share: f64,
}

/// A plan in force: its calls so far, and the bound on those at once.
pub(super) struct Faults {
    plan: FaultPlan,
    calls: AtomicU64,
    places: Option<Arc<Semaphore>>,
    blips: Blips,
}

/// A line in front of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) places: usize,
    /// Calls that may stand in it.
    pub(super) most: usize,
}

impl Faults {
    /// Checks what types can't: a share lies between 0 and 1, and a line stands in front of something.
    pub(super) fn new(plan: FaultPlan) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&plan.error_share) {
            return Err(format!(
                "error_share is a share, between 0 and 1, not {}",
                plan.error_share
            ));
        }
        if plan.line > 0 && plan.capacity == 0 {
            return Err("a line stands in front of places: set a capacity, too".to_owned());
        }
        let blips = Blips::new(plan.blip_every_ms, plan.blip_ms);
        let places = (plan.capacity > 0)
            .then(|| Arc::new(Semaphore::new(plan.capacity.min(Semaphore::MAX_PERMITS))));
        Ok(Self {
            plan,
            calls: AtomicU64::new(0),
            places,
            blips,
        })
    }

    pub(super) fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    pub(super) fn places(&self) -> Option<Arc<Semaphore>> {
        self.places.clone()
    }

    /// The line that is worked on in turn, where the plan has one.
    pub(super) fn queue(&self) -> Option<Queue> {
        let (places, most) = (self.plan.capacity, self.plan.line);
        (most > 0).then_some(Queue { places, most })
    }

    /// Whether all calls are refused now.
    pub(super) fn refuse(&self) -> bool {
        self.blips.refuse()
    }

    /// Decides the next call.
    pub(super) fn next(&self, wish: Wish) -> Fate {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let plan = &self.plan;
        let hangs = plan.hang_every > 0 && number.is_multiple_of(plan.hang_every);
        let takes = if hangs {
            Duration::from_millis(plan.hang_ms)
        } else {
            wish.takes.unwrap_or_else(|| plan.latency())
        };
        let share = plan.error_share.max(wish.fail_share);
        Fate {
            takes,
            hangs,
            fails: share > 0.0 && fastrand::f64() < share,
        }
    }
}

impl FaultPlan {
    fn latency(&self) -> Duration {
        let earliest = self.latency_ms.saturating_sub(self.jitter_ms);
        let latest = self.latency_ms.saturating_add(self.jitter_ms);
        Duration::from_millis(fastrand::u64(earliest..=latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Faults {
        Faults::new(serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn every_fifth_call_hangs_counted_from_the_start_of_the_plan() {
        let faults = faults(r#"{"hang_every": 5, "hang_ms": 70}"#);
        let takes: Vec<u128> = (0..10)
            .map(|_| faults.next(Wish::default()).takes.as_millis())
            .collect();
        assert_eq!(takes, [20, 20, 20, 20, 70, 20, 20, 20, 20, 70]);
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_above_zero() {
        let faults = faults(r#"{"latency_ms": 5, "jitter_ms": 10}"#);
        assert!((0..200).all(|_| faults.next(Wish::default()).takes <= Duration::from_millis(15)));
    }

    #[test]
    fn a_wish_sets_the_latency_but_a_hang_stays_a_hang() {
        let faults = faults(r#"{"hang_every": 2, "hang_ms": 70}"#);
        let wish = Wish {
            takes: Some(Duration::from_millis(1)),
            fail_share: 1.0,
        };
        assert_eq!(
            faults.next(wish),
            Fate {
                takes: Duration::from_millis(1),
                hangs: false,
                fails: true
            }
        );
        assert_eq!(
            faults.next(wish),
            Fate {
                takes: Duration::from_millis(70),
                hangs: true,
                fails: true
            }
        );
    }

    #[test]
    fn the_error_share_is_about_what_it_says() {
        let faults = faults(r#"{"error_share": 0.5}"#);
        let failed = (0..1000)
            .filter(|_| faults.next(Wish::default()).fails)
            .count();
        assert!((350..650).contains(&failed), "{failed} of 1000");
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused() {
        assert!(
            Faults::new(FaultPlan {
                error_share: 1.5,
                ..FaultPlan::default()
            })
            .is_err()
        );
        let nothing_behind = FaultPlan {
            line: 9,
            ..FaultPlan::default()
        };
        assert!(Faults::new(nothing_behind).is_err());
        assert!(serde_json::from_str::<FaultPlan>(r#"{"latency": 20}"#).is_err());
    }
}
