//! What a cluster says of a run's pods and of its autoscaler, in the words of a report. Pure.

use std::{collections::BTreeSet, net::SocketAddr};

use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{ContainerStatus, Pod, PodCondition},
};

/// The pod's name.
pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// The service that it runs: its label `app`.
pub(super) fn app(pod: &Pod) -> &str {
    let labels = pod.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get("app"))
        .map_or("", String::as_str)
}

/// Whether it was asked to go.
pub(super) fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether a Service would send it requests.
pub(super) fn is_ready(pod: &Pod) -> bool {
    !is_leaving(pod) && condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether all its containers run.
pub(super) fn is_running(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !is_leaving(pod) && phase == Some("Running")
}

/// Where it listens: its address, and the port of its first container.
pub(super) fn address(pod: &Pod) -> Option<SocketAddr> {
    let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let container = pod.spec.as_ref()?.containers.first()?;
    let port = container.ports.as_ref()?.first()?.container_port;
    Some(SocketAddr::new(address, u16::try_from(port).ok()?))
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == kind)
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default()
        .iter()
}

/// How often its containers were started again.
pub(super) fn restarts(pod: &Pod) -> i32 {
    containers(pod)
        .map(|container| container.restart_count)
        .sum()
}

/// Why a pod will not get ready by waiting, with the next step; none while it may.
pub(super) fn stuck(pod: &Pod) -> Option<String> {
    if let Some(text) = broken(pod) {
        return Some(text);
    }
    let waiting = containers(pod).find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let advice = match reason {
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
                "the cluster does not have it: `make image PLATFORM=k3d` builds and loads it, IMAGE=… names one in a registry"
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                "`kubectl describe pod` has more"
            }
            _ => return None,
        };
        let message = waiting.message.as_deref().unwrap_or_default();
        Some(format!("{reason} for image {}: {message}; {advice}", container.image))
    });
    waiting.or_else(|| {
        let scheduled = condition(pod, "PodScheduled")?;
        (scheduled.reason.as_deref() == Some("Unschedulable")).then(|| {
            format!(
                "no node takes it: {}; give the cluster more CPU or memory, or remove what else runs there",
                scheduled.message.as_deref().unwrap_or_default()
            )
        })
    })
}

/// What ended a pod or a container in it, which no run survives.
pub(super) fn broken(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Failed") {
        return Some(format!(
            "{}: {}",
            status.reason.as_deref().unwrap_or("failed"),
            status.message.as_deref().unwrap_or("no message")
        ));
    }
    containers(pod).find_map(|container| {
        let lives = [&container.state, &container.last_state];
        let ended = lives
            .into_iter()
            .flatten()
            .find_map(|state| state.terminated.as_ref())?;
        Some(format!(
            "its container ended with exit code {} ({}), {} restarts",
            ended.exit_code,
            ended.reason.as_deref().unwrap_or("no reason"),
            container.restart_count
        ))
    })
}

/// The autoscaler's present decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scaling {
    /// Replicas that it asks for.
    pub(super) desired: u32,
    /// Its conditions: type, status and reason; the messages hold figures that move all the time.
    pub(super) kind: BTreeSet<String>,
    /// Why, in its own words.
    pub(super) reason: String,
    /// Whether it could compute a number of replicas.
    pub(super) active: bool,
}

impl Scaling {
    /// From the status of the object; before its first look there is none.
    pub(super) fn of(hpa: &HorizontalPodAutoscaler, current: u32) -> Self {
        let status = hpa.status.clone().unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let is = |kind: &str, status: &str| {
            conditions
                .iter()
                .find(|condition| condition.type_ == kind && condition.status == status)
        };
        let telling = is("ScalingActive", "False")
            .or_else(|| is("AbleToScale", "False"))
            .or_else(|| is("ScalingLimited", "True"))
            .or_else(|| is("ScalingActive", "True"));
        let use_now = status
            .current_metrics
            .unwrap_or_default()
            .iter()
            .find_map(|metric| {
                let value = metric.resource.as_ref()?.current.average_utilization?;
                Some(format!("CPU use is {value}% of the requests; "))
            });
        let reason = telling.map_or_else(
            || "it has not looked yet".to_owned(),
            |condition| condition.message.clone().unwrap_or_default(),
        );
        Self {
            // It says 0 until it has computed something; the replicas stay as they are then.
            desired: u32::try_from(status.desired_replicas)
                .ok()
                .filter(|desired| *desired > 0)
                .unwrap_or(current),
            kind: conditions
                .iter()
                .map(|condition| {
                    let reason = condition.reason.as_deref().unwrap_or_default();
                    format!("{} {} {reason}", condition.type_, condition.status)
                })
                .collect(),
            reason: format!("{}{reason}", use_now.unwrap_or_default()),
            active: is("ScalingActive", "True").is_some(),
        }
    }

    /// What is new since `before`, for people; none where nothing is.
    pub(super) fn news(&self, before: &Self) -> Option<String> {
        if self.desired != before.desired {
            Some(format!(
                "autoscaler: {} → {} replicas; {}",
                before.desired, self.desired, self.reason
            ))
        } else if self.kind != before.kind {
            Some(format!(
                "autoscaler: {} as before; {}",
                self.desired, self.reason
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        let metadata = json!({ "name": "api-7", "labels": { "app": "api" } });
        serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap()
    }

    #[test]
    fn a_missing_image_is_named_with_the_way_to_get_it() {
        let waiting =
            json!({ "waiting": { "reason": "ErrImageNeverPull", "message": "not present" } });
        let status = json!({ "phase": "Pending", "containerStatuses": [{
            "name": "api", "image": "lab:0.1.0", "imageID": "", "ready": false, "restartCount": 0,
            "state": waiting }] });
        let text = stuck(&pod(&status)).unwrap();
        assert!(
            text.contains("lab:0.1.0") && text.contains("make image"),
            "{text}"
        );
    }

    #[test]
    fn a_restart_an_eviction_and_a_full_node_are_told_apart() {
        let restarted = json!({ "phase": "Running", "containerStatuses": [{
            "name": "api", "image": "lab", "imageID": "", "ready": true, "restartCount": 1,
            "state": { "running": {} },
            "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } }] });
        assert!(broken(&pod(&restarted)).unwrap().contains("OOMKilled"));
        let evicted = json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" });
        assert_eq!(broken(&pod(&evicted)).unwrap(), "Evicted: low on memory");
        let full = json!({ "phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu." }] });
        assert!(broken(&pod(&full)).is_none());
        assert!(stuck(&pod(&full)).unwrap().contains("Insufficient cpu"));
    }

    #[test]
    fn a_pod_is_ready_until_it_is_asked_to_go() {
        let status = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
        let mut pod = pod(&status);
        assert!(is_ready(&pod));
        pod.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-11-24T08:00:00Z")).unwrap();
        assert!(!is_ready(&pod));
    }

    fn hpa(desired: i32, active: &str, reason: &str) -> HorizontalPodAutoscaler {
        serde_json::from_value(json!({
            "metadata": { "name": "api" },
            "status": { "desiredReplicas": desired, "currentReplicas": 1, "conditions": [
                { "type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "ready" },
                { "type": "ScalingActive", "status": active, "reason": reason, "message": format!("says {reason}") },
            ] }
        }))
        .unwrap()
    }

    #[test]
    fn a_decision_is_news_when_its_number_or_its_reason_changes() {
        let none = Scaling::of(&HorizontalPodAutoscaler::default(), 1);
        let stuck = Scaling::of(&hpa(0, "False", "FailedGetResourceMetric"), 1);
        assert_eq!((stuck.desired, stuck.active), (1, false));
        assert_eq!(
            stuck.news(&none).unwrap(),
            "autoscaler: 1 as before; says FailedGetResourceMetric"
        );
        assert_eq!(stuck.news(&stuck), None);
        let four = Scaling::of(&hpa(4, "True", "ValidMetricFound"), 1);
        assert!(
            four.news(&stuck)
                .unwrap()
                .starts_with("autoscaler: 1 → 4 replicas; "),
        );
    }
}
