//! From the pods' CPU use to a replica count (`GetResourceReplicas` in `replica_calculator.go`), before any
//! limit of the autoscaler's.

use std::time::Duration;

use super::pod::Groups;
use super::{Controller, CpuRequest, Millicores, PodSample};

/// Why no replica count could be computed. Kubernetes' own message is quoted where it misleads.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// There is no pod.
    #[error("the target has no pods, so there is nothing to measure")]
    NoPods,
    /// No pod has a sample.
    #[error("no pod has a CPU sample yet")]
    NoSamples,
    /// None of the samples counts.
    #[error(
        "no sample counts yet: the pods are not ready, or have been ready for less than one sample window"
    )]
    NoReadyPods,
    /// A container requests no CPU.
    #[error(
        "container `{container}` of pod `{pod}` has no CPU request: the use is measured in percent of it; \
         set resources.requests.cpu"
    )]
    MissingRequest {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
    },
    /// The requests add up to nothing.
    #[error(
        "the CPU requests of the pods add up to 0: the use is measured in percent of them (Kubernetes says \
         \"no metrics returned matched known pods\"); set resources.requests.cpu to more than 0"
    )]
    ZeroRequest,
}

impl MetricError {
    /// True where waiting does not mend it, but an edit.
    pub(super) fn is_of_the_manifests(&self) -> bool {
        matches!(self, Self::MissingRequest { .. } | Self::ZeroRequest)
    }
}

/// A replica count and the CPU use, in percent of the requests, that led to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Proposal {
    pub replicas: u32,
    pub utilization: i32,
}

/// How far use over target may be from 1 without a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    pub down: f64,
    pub up: f64,
}

impl Tolerance {
    fn covers(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

/// The replicas that would bring the pods' use to the target.
pub(super) fn propose(
    pods: &[PodSample],
    current: u32,
    target: u32,
    tolerance: Tolerance,
    controller: &Controller,
    now: Duration,
) -> Result<Proposal, MetricError> {
    let groups = usable(pods, controller, now)?;
    check_requests(pods)?;

    let mut entries: Vec<Entry> = groups
        .counted
        .iter()
        .map(|(pod, usage)| Entry::new(pod, usage.0))
        .collect();
    let utilization = utilization(&entries)?;
    let ratio = f64::from(utilization) / f64::from(target);
    let settled = |replicas| {
        Ok(Proposal {
            replicas,
            utilization,
        })
    };

    let rising_with_unready = ratio > 1.0 && !groups.unready.is_empty();
    if !rising_with_unready && groups.missing.is_empty() {
        return settled(if tolerance.covers(ratio) {
            current
        } else {
            scaled(ratio, entries.len())
        });
    }

    // Pods that are not measured get the use that makes the change smaller: all of their request when
    // the count would fall, none when it would rise.
    if ratio < 1.0 {
        let percent = u64::from(target.max(100));
        let full = |pod: &PodSample| millicores(pod).saturating_mul(percent) / 100;
        entries.extend(groups.missing.iter().map(|pod| Entry::new(pod, full(pod))));
    } else if ratio > 1.0 {
        entries.extend(
            groups
                .missing
                .iter()
                .chain(&groups.unready)
                .map(|pod| Entry::new(pod, 0)),
        );
    }
    let cautious = f64::from(self::utilization(&entries)?) / f64::from(target);
    let turned = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
    let replicas = scaled(cautious, entries.len());
    let against = (cautious < 1.0 && replicas > current) || (cautious > 1.0 && replicas < current);
    settled(if tolerance.covers(cautious) || turned || against {
        current
    } else {
        replicas
    })
}

fn usable<'a>(
    pods: &'a [PodSample],
    controller: &Controller,
    now: Duration,
) -> Result<Groups<'a>, MetricError> {
    if pods.is_empty() {
        return Err(MetricError::NoPods);
    }
    if pods.iter().all(|pod| pod.usage.is_none()) {
        return Err(MetricError::NoSamples);
    }
    let groups = Groups::of(pods, controller, now);
    if groups.counted.is_empty() {
        Err(MetricError::NoReadyPods)
    } else {
        Ok(groups)
    }
}

fn check_requests(pods: &[PodSample]) -> Result<(), MetricError> {
    pods.iter().try_for_each(|pod| match &pod.request {
        CpuRequest::Set(_) => Ok(()),
        CpuRequest::Missing { container } => Err(MetricError::MissingRequest {
            pod: pod.name.clone(),
            container: container.clone(),
        }),
    })
}

/// What one pod adds to the sums.
struct Entry {
    usage: u64,
    request: u64,
}

impl Entry {
    fn new(pod: &PodSample, usage: u64) -> Self {
        Self {
            usage,
            request: millicores(pod),
        }
    }
}

fn millicores(pod: &PodSample) -> u64 {
    match pod.request {
        CpuRequest::Set(Millicores(millicores)) => millicores,
        CpuRequest::Missing { .. } => 0,
    }
}

/// All use in percent of all requests: a whole number, rounded down (`metrics/utilization.go`). Go's sum
/// would overflow where this one saturates.
fn utilization(entries: &[Entry]) -> Result<i32, MetricError> {
    let sum = |part: fn(&Entry) -> u64| {
        entries
            .iter()
            .map(|entry| u128::from(part(entry)))
            .sum::<u128>()
    };
    let percent = (sum(|entry| entry.usage) * 100).checked_div(sum(|entry| entry.request));
    percent
        .map(|percent| i32::try_from(percent).unwrap_or(i32::MAX))
        .ok_or(MetricError::ZeroRequest)
}

fn scaled(ratio: f64, pods: usize) -> u32 {
    (ratio * pods as f64).ceil() as u32
}
