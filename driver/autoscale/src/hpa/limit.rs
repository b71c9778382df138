//! What keeps the autoscaler from jumping: the memory of recommendations and the speed limits
//! (`stabilizeRecommendation…`, `convertDesiredReplicasWith…` in `horizontal.go`).

use std::time::Duration;

use super::{Change, Policy, Reason, ScalingRules, SelectPolicy};

/// Without `behavior`: at most twice as many at a time, but always four (`horizontal.go`).
const SCALE_UP_FACTOR: u32 = 2;
const SCALE_UP_MINIMUM: u32 = 4;

/// A value and when it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamped {
    pub value: u32,
    pub at: Duration,
}

impl Stamped {
    fn age(self, now: Duration) -> Duration {
        now.saturating_sub(self.at)
    }
}

/// What the autoscaler remembers from tick to tick. Entries that no rule can reach are forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Counts as computed, before any limit.
    pub recommendations: Vec<Stamped>,
    /// Replicas added.
    pub added: Vec<Stamped>,
    /// Replicas removed.
    pub removed: Vec<Stamped>,
}

impl History {
    /// Without `behavior` only the way down has a memory: the highest recommendation in the window.
    pub(super) fn stabilize_down(&mut self, desired: u32, window: Duration, now: Duration) -> u32 {
        self.recommendations.retain(|past| past.age(now) <= window);
        let highest = self
            .recommendations
            .iter()
            .map(|past| past.value)
            .fold(desired, u32::max);
        self.recommendations.push(Stamped {
            value: desired,
            at: now,
        });
        highest
    }

    /// With `behavior`: stays at the current count as far as the lowest recommendation in the window
    /// upwards and the highest in the window downwards allow.
    pub(super) fn stabilize(
        &mut self,
        current: u32,
        desired: u32,
        up: Duration,
        down: Duration,
        now: Duration,
    ) -> u32 {
        let within = |window: Duration| {
            self.recommendations
                .iter()
                .filter(move |past| past.age(now) < window)
                .map(|past| past.value)
        };
        let lowest = within(up).fold(desired, u32::min);
        let highest = within(down).fold(desired, u32::max);
        self.recommendations
            .retain(|past| past.age(now) <= up.max(down));
        self.recommendations.push(Stamped {
            value: desired,
            at: now,
        });
        current.max(lowest).min(highest)
    }

    /// Remembers a change for the policies that count changes over time.
    pub(super) fn record(&mut self, from: u32, to: u32, rules: &ScalingRules, now: Duration) {
        let longest = rules
            .policies
            .iter()
            .map(|policy| policy.period)
            .max()
            .unwrap_or_default();
        let events = if to > from {
            &mut self.added
        } else {
            &mut self.removed
        };
        events.retain(|event| event.age(now) <= longest);
        events.push(Stamped {
            value: to.abs_diff(from),
            at: now,
        });
    }

    /// The replicas when the policy's period began. Negative when someone else set the replicas since.
    fn at_start_of(&self, period: Duration, current: u32, now: Duration) -> i64 {
        let changed = |events: &[Stamped]| -> i64 {
            events
                .iter()
                .filter(|event| event.age(now) < period)
                .map(|event| i64::from(event.value))
                .sum()
        };
        i64::from(current) - changed(&self.added) + changed(&self.removed)
    }

    fn furthest_up(&self, current: u32, rules: &ScalingRules, now: Duration) -> i64 {
        let reach = |policy: &Policy| {
            let start = self.at_start_of(policy.period, current, now);
            match policy.change {
                Change::Pods(pods) => start + i64::from(pods),
                // Rounded up, or one replica could never grow by less than 100%.
                Change::Percent(percent) => {
                    (start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64
                }
            }
        };
        let reaches = rules.policies.iter().map(reach);
        let reach = match rules.select {
            SelectPolicy::Disabled => None,
            SelectPolicy::Max => reaches.max(),
            SelectPolicy::Min => reaches.min(),
        };
        reach.unwrap_or(i64::from(current)).max(i64::from(current))
    }

    fn furthest_down(&self, current: u32, rules: &ScalingRules, now: Duration) -> i64 {
        let reach = |policy: &Policy| {
            let start = self.at_start_of(policy.period, current, now);
            match policy.change {
                Change::Pods(pods) => start - i64::from(pods),
                Change::Percent(percent) => {
                    (start as f64 * (1.0 - f64::from(percent) / 100.0)) as i64
                }
            }
        };
        let reaches = rules.policies.iter().map(reach);
        let reach = match rules.select {
            SelectPolicy::Disabled => None,
            SelectPolicy::Max => reaches.min(),
            SelectPolicy::Min => reaches.max(),
        };
        reach.unwrap_or(i64::from(current)).min(i64::from(current))
    }

    /// The desired count within `min..=max` and the speed that `up` and `down` allow.
    pub(super) fn limit(
        &self,
        range: Range,
        up: &ScalingRules,
        down: &ScalingRules,
        now: Duration,
    ) -> (u32, Reason) {
        let Range {
            min,
            max,
            current,
            desired,
        } = range;
        if desired > current {
            let reach = self.furthest_up(current, up, now);
            let (most, reason) = lower(
                (i64::from(max), Reason::TooManyReplicas),
                (reach, Reason::ScaleUpLimit),
            );
            if i64::from(desired) > most {
                return (most as u32, reason);
            }
        } else if desired < current {
            let reach = self.furthest_down(current, down, now);
            let (least, reason) = higher(
                (i64::from(min), Reason::TooFewReplicas),
                (reach, Reason::ScaleDownLimit),
            );
            if i64::from(desired) < least {
                return (least as u32, reason);
            }
        }
        (desired, Reason::DesiredWithinRange)
    }
}

/// The counts that a limit is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub min: u32,
    pub max: u32,
    pub current: u32,
    pub desired: u32,
}

impl Range {
    /// The desired count within `min..=max` and the controller's fixed speed, where there is no `behavior`.
    pub(super) fn limit(self) -> (u32, Reason) {
        let speed = self
            .current
            .saturating_mul(SCALE_UP_FACTOR)
            .max(SCALE_UP_MINIMUM);
        let (most, reason) = lower(
            (self.max, Reason::TooManyReplicas),
            (speed, Reason::ScaleUpLimit),
        );
        if self.desired < self.min {
            (self.min, Reason::TooFewReplicas)
        } else if self.desired > most {
            (most, reason)
        } else {
            (self.desired, Reason::DesiredWithinRange)
        }
    }
}

/// The lower of two limits, the first when they are equal.
fn lower<T: Ord>(bound: (T, Reason), speed: (T, Reason)) -> (T, Reason) {
    if speed.0 < bound.0 { speed } else { bound }
}

/// The higher of two limits, the first when they are equal.
fn higher<T: Ord>(bound: (T, Reason), speed: (T, Reason)) -> (T, Reason) {
    if speed.0 > bound.0 { speed } else { bound }
}
