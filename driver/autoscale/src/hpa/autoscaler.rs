//! One autoscaler from tick to tick (`reconcileAutoscaler` in `horizontal.go`).

use std::time::Duration;

use super::condition::Conditions;
use super::limit::{History, Range, Stamped};
use super::proposal::{Proposal, Tolerance, propose};
use super::{
    Behavior, Condition, ConditionKind, Controller, HpaSpec, MetricError, ObjectRef, PodSample,
    Reason,
};

/// What one tick came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The replicas to run from now on; the current ones when nothing changes.
    pub desired: u32,
    /// The pods' CPU use in percent of their requests, where it was computed.
    pub current_utilization: Option<i32>,
    /// The conditions after the tick, those of earlier ticks included.
    pub conditions: Vec<Condition>,
    /// Why this count, in one sentence.
    pub reason: String,
    /// True where the reason is what the manifests lack for any count at all.
    pub gives_away: bool,
}

/// A `HorizontalPodAutoscaler` and what it remembers.
#[derive(Clone, Debug)]
pub struct Autoscaler {
    spec: HpaSpec,
    scalable: ObjectRef,
    controller: Controller,
    history: History,
    started: bool,
    conditions: Conditions,
}

impl Autoscaler {
    /// An autoscaler in a cluster whose only scalable object is `scalable`.
    pub fn new(spec: HpaSpec, scalable: ObjectRef) -> Self {
        Self::with_controller(spec, scalable, Controller::default())
    }

    /// The same, under a controller with other flags.
    pub fn with_controller(spec: HpaSpec, scalable: ObjectRef, controller: Controller) -> Self {
        let (history, conditions) = <_>::default();
        Self {
            spec,
            scalable,
            controller,
            history,
            started: false,
            conditions,
        }
    }

    /// An autoscaler that has seen `recommendations` before.
    #[cfg(test)]
    pub(super) fn remember(&mut self, recommendations: Vec<Stamped>) {
        self.history.recommendations = recommendations;
        self.started = true;
    }

    /// Decides how many replicas to run. `now` must not go back.
    pub fn tick(&mut self, now: Duration, current: u32, pods: &[PodSample]) -> Decision {
        if !self.spec.target.is_same(&self.scalable) {
            return self.lost(current);
        }
        self.set(
            ConditionKind::AbleToScale,
            true,
            Reason::SucceededGetScale,
            "the target was found",
        );
        if !std::mem::replace(&mut self.started, true) {
            self.history.recommendations.push(Stamped {
                value: current,
                at: now,
            });
        }

        if current == 0 {
            let message = "the target has 0 replicas, which switches the autoscaler off";
            self.set(
                ConditionKind::ScalingActive,
                false,
                Reason::ScalingDisabled,
                message,
            );
            self.decision(current, None, message)
        } else if current > self.spec.max {
            let reason = format!(
                "there are more replicas than maxReplicas, {}",
                self.spec.max
            );
            self.rescale(now, current, self.spec.max, None, reason)
        } else if current < self.spec.min {
            let reason = format!(
                "there are fewer replicas than minReplicas, {}",
                self.spec.min
            );
            self.rescale(now, current, self.spec.min, None, reason)
        } else {
            match propose(
                pods,
                current,
                self.spec.target_utilization,
                self.tolerance(),
                &self.controller,
                now,
            ) {
                Ok(proposal) => self.follow(now, current, proposal),
                Err(error) => self.blind(current, &error),
            }
        }
    }

    /// The target does not exist.
    fn lost(&mut self, current: u32) -> Decision {
        let message = format!(
            "spec.scaleTargetRef names the {}, which does not exist (there is the {}); name that one",
            self.spec.target, self.scalable
        );
        self.set(
            ConditionKind::AbleToScale,
            false,
            Reason::FailedGetScale,
            &message,
        );
        self.decision(current, None, message)
    }

    /// There is nothing to compute with.
    fn blind(&mut self, current: u32, error: &MetricError) -> Decision {
        let message = error.to_string();
        self.set(
            ConditionKind::ScalingActive,
            false,
            Reason::FailedGetResourceMetric,
            &message,
        );
        Decision {
            gives_away: error.is_of_the_manifests(),
            ..self.decision(current, None, message)
        }
    }

    /// Goes where the metric points, as far as memory and limits allow.
    fn follow(&mut self, now: Duration, current: u32, proposal: Proposal) -> Decision {
        let used = proposal.utilization;
        let target = self.spec.target_utilization;
        let measured = format!("CPU use is {used}% of the requests, the target {target}%");
        self.set(
            ConditionKind::ScalingActive,
            true,
            Reason::ValidMetricFound,
            &measured,
        );

        let stabilized = self.stabilize(now, current, proposal.replicas);
        let (desired, limit) = self.limit(now, current, stabilized);
        let limited = desired != stabilized;
        let message = self.describe_limit(limit);
        self.set(ConditionKind::ScalingLimited, limited, limit, &message);

        let reason = match proposal.replicas {
            wanted if wanted == desired => measured,
            wanted if limited => format!("{measured}: it takes {wanted} replicas, but {message}"),
            wanted => format!(
                "{measured}: it takes {wanted} replicas, but a recent recommendation was {stabilized}"
            ),
        };
        if desired == current {
            self.decision(current, Some(used), reason)
        } else {
            self.rescale(now, current, desired, Some(used), reason)
        }
    }

    fn stabilize(&mut self, now: Duration, current: u32, wanted: u32) -> u32 {
        let default = self.controller.downscale_stabilization;
        let (stabilized, rising) = match &self.spec.behavior {
            None => (self.history.stabilize_down(wanted, default, now), false),
            Some(Behavior {
                scale_up,
                scale_down,
            }) => {
                let up = scale_up.stabilization.unwrap_or_default();
                let down = scale_down.stabilization.unwrap_or(default);
                (
                    self.history.stabilize(current, wanted, up, down, now),
                    wanted >= current,
                )
            }
        };
        let (reason, message) = match (stabilized == wanted, rising) {
            (true, _) => (Reason::ReadyForNewScale, "nothing holds a change back"),
            (false, true) => (
                Reason::ScaleUpStabilized,
                "a recent recommendation was lower and still counts",
            ),
            (false, false) => (
                Reason::ScaleDownStabilized,
                "a recent recommendation was higher and still counts",
            ),
        };
        self.set(ConditionKind::AbleToScale, true, reason, message);
        stabilized
    }

    fn limit(&self, now: Duration, current: u32, desired: u32) -> (u32, Reason) {
        let range = Range {
            min: self.spec.min,
            max: self.spec.max,
            current,
            desired,
        };
        match &self.spec.behavior {
            None => range.limit(),
            Some(Behavior {
                scale_up,
                scale_down,
            }) => self.history.limit(range, scale_up, scale_down, now),
        }
    }

    fn describe_limit(&self, reason: Reason) -> String {
        match reason {
            Reason::TooManyReplicas => format!("maxReplicas is {}", self.spec.max),
            Reason::TooFewReplicas => format!("minReplicas is {}", self.spec.min),
            Reason::ScaleUpLimit => "not so many may be added at a time".into(),
            Reason::ScaleDownLimit => "not so many may be removed at a time".into(),
            _ => "no limit stands in the way".into(),
        }
    }

    fn rescale(
        &mut self,
        now: Duration,
        from: u32,
        to: u32,
        used: Option<i32>,
        reason: String,
    ) -> Decision {
        self.set(
            ConditionKind::AbleToScale,
            true,
            Reason::SucceededRescale,
            format!("replicas set to {to}"),
        );
        if let Some(Behavior {
            scale_up,
            scale_down,
        }) = &self.spec.behavior
        {
            self.history
                .record(from, to, if to > from { scale_up } else { scale_down }, now);
        }
        self.decision(to, used, reason)
    }

    fn tolerance(&self) -> Tolerance {
        let behavior = self.spec.behavior.as_ref();
        let default = self.controller.tolerance;
        Tolerance {
            down: behavior
                .and_then(|behavior| behavior.scale_down.tolerance)
                .unwrap_or(default),
            up: behavior
                .and_then(|behavior| behavior.scale_up.tolerance)
                .unwrap_or(default),
        }
    }

    fn set(
        &mut self,
        kind: ConditionKind,
        holds: bool,
        reason: Reason,
        message: impl Into<String>,
    ) {
        self.conditions.set(kind, holds, reason, message);
    }

    fn decision(
        &self,
        desired: u32,
        current_utilization: Option<i32>,
        reason: impl Into<String>,
    ) -> Decision {
        Decision {
            desired,
            current_utilization,
            conditions: self.conditions.to_vec(),
            reason: reason.into(),
            gives_away: false,
        }
    }
}
