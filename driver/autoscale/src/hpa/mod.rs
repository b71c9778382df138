//! The algorithm of Kubernetes' `HorizontalPodAutoscaler`, with injected clock and metrics, so that the
//! autoscaling scenario decides on a laptop as it would on a cluster. Nothing here reads, waits or starts.
//!
//! Modelled, as in Kubernetes 1.36 (`pkg/controller/podautoscaler`, numbers of the tests in `golden.toml`):
//! - one metric: CPU of the whole pod as a percentage of its request, in integers;
//! - tolerance: 0.1, or the one that `behavior` sets for a direction;
//! - pods without a sample, not ready, still starting, failed or being deleted, and the cautious second
//!   computation that they cause;
//! - `minReplicas`, `maxReplicas`, the stabilization windows, the policies of `behavior` and the fixed
//!   limits where there is no `behavior`;
//! - the conditions, with the reasons that `kubectl describe hpa` shows.
//!
//! Not modelled: other metrics and targets, and several metrics (refused when the manifest is read);
//! scaling to zero (needs one of those metrics); ambiguous pod selectors; failures of the API server. The
//! controller's clock is the caller's: how often [`Autoscaler::tick`] runs is not decided here.

mod autoscaler;
mod condition;
mod controller;
mod limit;
mod pod;
mod proposal;
mod spec;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;

pub use autoscaler::{Autoscaler, Decision};
pub use condition::{Condition, ConditionKind, Reason};
pub use controller::Controller;
pub use pod::{CpuRequest, PodPhase, PodSample, Readiness, Usage};
pub use proposal::MetricError;
pub use spec::{
    Behavior, Change, HpaSpec, Millicores, ObjectRef, Policy, ScalingRules, SelectPolicy,
};
