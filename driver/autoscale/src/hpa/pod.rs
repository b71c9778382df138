//! What the autoscaler sees of a pod, and how it sorts pods before it computes
//! (`groupPods` in `replica_calculator.go`).

use std::time::Duration;

use super::{Controller, Millicores};

/// A pod and the last sample of its CPU use. All times count from one start, the same as `now`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PodSample {
    /// The pod's name, for messages.
    pub name: String,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// When the node took it on.
    pub started: Option<Duration>,
    /// What its readiness probe says; `None` before the first answer.
    pub readiness: Option<Readiness>,
    /// Its CPU use; `None` while the metrics source has no sample.
    pub usage: Option<Usage>,
    /// The CPU that it requests.
    pub request: CpuRequest,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PodPhase {
    /// Not yet on a node, or its containers not yet started.
    Pending,
    /// Running; a pod that succeeded counts the same.
    Running,
    /// Ended with a failure.
    Failed,
}

/// A pod's `Ready` condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Readiness {
    /// Whether it is ready.
    pub ready: bool,
    /// Since when that has been so.
    pub since: Duration,
}

/// The mean CPU use of a pod over a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Usage {
    /// The mean of the window, all containers together.
    pub cpu: Millicores,
    /// The window's end.
    pub at: Duration,
    /// The window's length.
    pub window: Duration,
}

/// A pod's CPU request, after the API server's defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CpuRequest {
    /// The sum over its containers.
    Set(Millicores),
    /// A container has neither request nor limit, so that there is no sum.
    Missing {
        /// That container.
        container: String,
    },
}

/// Pods by what their samples are good for.
pub(super) struct Groups<'a> {
    /// Samples that count.
    pub counted: Vec<(&'a PodSample, Millicores)>,
    /// Not ready, or too young for a sample that says something.
    pub unready: Vec<&'a PodSample>,
    /// Without a sample.
    pub missing: Vec<&'a PodSample>,
}

impl<'a> Groups<'a> {
    /// Sorts the pods; those that failed or are being deleted are in no group.
    pub(super) fn of(pods: &'a [PodSample], controller: &Controller, now: Duration) -> Self {
        let mut groups = Self {
            counted: Vec::new(),
            unready: Vec::new(),
            missing: Vec::new(),
        };
        for pod in pods
            .iter()
            .filter(|pod| !pod.deleting && pod.phase != PodPhase::Failed)
        {
            match pod.usage {
                _ if pod.phase == PodPhase::Pending => groups.unready.push(pod),
                None => groups.missing.push(pod),
                Some(usage) if pod.counts(usage, controller, now) => {
                    groups.counted.push((pod, usage.cpu));
                }
                Some(_) => groups.unready.push(pod),
            }
        }
        groups
    }
}

impl PodSample {
    /// A young pod's sample counts when the pod is ready and has been for the whole window: what it
    /// burns while it starts says nothing about the load. An old pod's counts unless it was never ready.
    fn counts(&self, usage: Usage, controller: &Controller, now: Duration) -> bool {
        let (Some(started), Some(readiness)) = (self.started, self.readiness) else {
            return false;
        };
        if started.saturating_add(controller.cpu_initialization_period) > now {
            readiness.ready && usage.at >= readiness.since.saturating_add(usage.window)
        } else {
            readiness.ready
                || started.saturating_add(controller.initial_readiness_delay) <= readiness.since
        }
    }
}
