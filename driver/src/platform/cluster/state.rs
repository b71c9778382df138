//! What a cluster says of a run's pods and of its autoscaler, in the words of a report. Pure.

use std::{collections::BTreeSet, net::SocketAddr};

use k8s_openapi::api::{
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod, PodCondition},
};

use lab_autoscale::hpa::MetricError;
use lab_autoscale::manifest::Quantity;

/// As many characters of a container's last line are told.
const LONGEST_WORDS: usize = 300;

/// The pod's name.
pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// What tells it from every other pod, of the same name too.
pub(super) fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
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
    !is_leaving(pod) && phase(pod) == Some("Running")
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// Where it listens: its address, and the port of the container that is named as its service. A cluster may put others
/// beside it, and before it.
pub(super) fn address(pod: &Pod) -> Option<SocketAddr> {
    let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let mut containers = pod.spec.as_ref()?.containers.iter();
    let container = containers.find(|container| container.name == app(pod))?;
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

/// How often its containers have ended, whether they were started again or not yet.
pub(super) fn endings(pod: &Pod) -> i32 {
    let is_over = |container: &ContainerStatus| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.terminated.is_some())
    };
    containers(pod)
        .map(|container| container.restart_count + i32::from(is_over(container)))
        .sum()
}

/// The exit code of the container that is named as its service, once that has ended, unless the kubelet does not know how
/// (it says 137 then as well).
pub(super) fn exit_code(pod: &Pod) -> Option<i32> {
    let ended = service(pod)?.state.as_ref()?.terminated.as_ref()?;
    (ended.reason.as_deref() != Some("ContainerStatusUnknown")).then_some(ended.exit_code)
}

/// Whether the container that is named as its service has ended.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let state = service(pod).and_then(|container| container.state.as_ref());
    state.is_some_and(|state| state.terminated.is_some())
}

fn service(pod: &Pod) -> Option<&ContainerStatus> {
    containers(pod).find(|container| container.name == app(pod))
}

/// How often its containers were started again.
pub(super) fn restarts(pod: &Pod) -> i32 {
    containers(pod)
        .map(|container| container.restart_count)
        .sum()
}

/// Why a pod will not get ready by waiting, with the next step; none while it may. `missing_image` is what to do
/// where the nodes don't have one.
pub(super) fn stuck(pod: &Pod, missing_image: &str) -> Option<String> {
    if let Some(ending) = ending(pod) {
        return Some(ending.text);
    }
    let waiting = containers(pod).find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref()?;
        let advice = match reason {
            "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
                format!("the cluster does not have it: {missing_image}")
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                "`kubectl describe pod` has more".to_owned()
            }
            _ => return None,
        };
        let message = waiting.message.as_deref().unwrap_or_default();
        Some(format!(
            "{reason} for image {}: {message}; {advice}",
            container.image
        ))
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

/// How a pod or a container in it ended, which no run survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// What happened.
    pub(super) text: String,
    /// Whether that is the cause. A container that ends is the first that is seen of an eviction, too: the pod
    /// says so a moment later.
    pub(super) is_cause: bool,
}

/// How a pod ended, as far as it can be told.
pub(super) fn ending(pod: &Pod) -> Option<Ending> {
    if let Some(text) = disruption(pod) {
        return Some(Ending {
            text,
            is_cause: true,
        });
    }
    let of_container = containers(pod).find_map(|container| {
        let lives = [&container.state, &container.last_state];
        let ended = lives
            .into_iter()
            .flatten()
            .find_map(|state| state.terminated.as_ref())?;
        let out_of_memory = ended.reason.as_deref() == Some("OOMKilled");
        Some(Ending {
            text: if out_of_memory {
                out_of_memory_text(pod, &container.name)
            } else {
                ended_text(ended, container.restart_count)
            },
            is_cause: out_of_memory || (container.restart_count > 0 && ended.exit_code != 0),
        })
    });
    of_container.or_else(|| {
        (phase(pod) == Some("Failed")).then(|| Ending {
            text: "it failed, and nobody says why".to_owned(),
            is_cause: true,
        })
    })
}

/// The kernel has killed it for the memory that it took.
fn out_of_memory_text(pod: &Pod, container: &str) -> String {
    let limit = || {
        let mut containers = pod.spec.as_ref()?.containers.iter();
        let container = containers.find(|it| it.name == container)?;
        let limits = container.resources.as_ref()?.limits.as_ref()?;
        limits.get("memory")
    };
    match limit() {
        Some(limit) => format!("it was OOMKilled: its memory limit is {}", limit.0),
        None => "it was OOMKilled, and has no memory limit: its node ran out of memory".to_owned(),
    }
}

fn ended_text(ended: &ContainerStateTerminated, restarts: i32) -> String {
    let code = ended.exit_code;
    let reason = ended.reason.as_deref().unwrap_or("no reason");
    // What a shell makes of a signal, runtimes do, too.
    let signal = if code > 128 {
        format!(", signal {}", code - 128)
    } else {
        String::new()
    };
    let said = ended.message.as_deref().unwrap_or_default().trim_end();
    let last = said.lines().next_back().unwrap_or_default();
    let last: String = last.chars().take(LONGEST_WORDS).collect();
    let said = if last.is_empty() {
        last
    } else {
        format!("; it said: {last}")
    };
    format!(
        "its container ended with exit code {code} ({reason}{signal}), restarts: {restarts}{said}"
    )
}

/// Why Kubernetes ended the pod, in its own words: an eviction, a node that is short of memory, a more important
/// pod. None where it did not, or does not say.
pub(super) fn disruption(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let said = |reason: &Option<String>, message: &Option<String>| {
        format!(
            "{}: {}",
            reason.as_deref().unwrap_or("failed"),
            message.as_deref().unwrap_or("no message").trim()
        )
    };
    if phase(pod) == Some("Failed") && status.reason.is_some() {
        return Some(said(&status.reason, &status.message));
    }
    let target = condition(pod, "DisruptionTarget").filter(|it| it.status == "True");
    target.map(|target| said(&target.reason, &target.message))
}

/// Why an autoscaler can make nothing of the pod's CPU use, and never will: it is measured in percent of what the
/// pod requests. As admitted, with what the cluster has filled in; not as in the manifest.
pub(super) fn immeasurable(pod: &Pod) -> Option<MetricError> {
    let spec = pod.spec.as_ref()?;
    if spec.resources.is_some() {
        // Of the whole pod. It has one then, or would not have been admitted.
        return None;
    }
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|it| it.restart_policy.as_deref() == Some("Always"));
    let mut whole = 0;
    for container in spec.containers.iter().chain(sidecars) {
        match cpu_request(container) {
            Some(request) => whole += request,
            None => {
                return Some(MetricError::MissingRequest {
                    pod: name(pod).to_owned(),
                    container: container.name.clone(),
                });
            }
        }
    }
    (whole == 0).then_some(MetricError::ZeroRequest)
}

/// In thousandths of a core.
fn cpu_request(container: &Container) -> Option<u64> {
    let requests = container.resources.as_ref()?.requests.as_ref()?;
    let quantity: Quantity = requests.get("cpu")?.0.parse().ok()?;
    Some(quantity.millicores().0)
}

/// The autoscaler's present decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scaling {
    /// Replicas that it asks for.
    pub(super) desired: u32,
    /// Its conditions: type, status and reason, and the words of what tells most; figures move all the time.
    pub(super) kind: BTreeSet<String>,
    /// Why, in its own words.
    pub(super) reason: String,
    /// Whether it could compute a number of replicas.
    pub(super) active: bool,
    /// Whether it could not, for a reason that waiting does not mend.
    pub(super) hopeless: bool,
    /// Whether that reason is a CPU request that is not there.
    pub(super) lacks_a_request: bool,
}

/// Whether an autoscaler that says this will never get figures, as long as nobody changes anything.
fn is_hopeless(reason: &str, message: &str) -> bool {
    match reason {
        "InvalidMetricSourceType"
        | "InvalidSelector"
        | "AmbiguousSelector"
        | "ScalingDisabled"
        | "FailedGetScale" => true,
        // The others of its messages are those of pods that nobody has measured yet.
        "FailedGetResourceMetric" => lacks_a_request(message),
        _ => false,
    }
}

/// Whether it can't compute the use because pods request no CPU, by its own words.
fn lacks_a_request(message: &str) -> bool {
    message.contains("missing request for")
        || message.contains("no metrics returned matched known pods")
}

/// A message without the words that have a digit in them: figures, and names of pods.
fn without_figures(message: &str) -> String {
    let words = message.split_whitespace();
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
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
        let message = telling.map_or_else(
            || "it has not looked yet".to_owned(),
            |condition| condition.message.clone().unwrap_or_default(),
        );
        let hopeless = telling.is_some_and(|condition| {
            condition.status == "False"
                && is_hopeless(condition.reason.as_deref().unwrap_or_default(), &message)
        });
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
                .chain([without_figures(&message)])
                .collect(),
            reason: format!("{}{message}", use_now.unwrap_or_default()),
            active: is("ScalingActive", "True").is_some(),
            hopeless,
            lacks_a_request: lacks_a_request(&message),
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
        let text = stuck(&pod(&status), "`make image` does it").unwrap();
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
        let ended = ending(&pod(&restarted)).unwrap();
        assert!(ended.is_cause, "{ended:?}");
        assert!(
            ended
                .text
                .starts_with("it was OOMKilled, and has no memory limit"),
            "{}",
            ended.text
        );
        assert_eq!(endings(&pod(&restarted)), 1);
        let evicted = json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" });
        let ended = ending(&pod(&evicted)).unwrap();
        assert!(ended.is_cause, "{ended:?}");
        assert_eq!(ended.text, "Evicted: low on memory");
        let full = json!({ "phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu." }] });
        assert!(ending(&pod(&full)).is_none());
        assert!(stuck(&pod(&full), "").unwrap().contains("Insufficient cpu"));
    }

    /// As the pod of a Job ends, which is not started again.
    #[test]
    fn a_pod_that_failed_is_told_by_its_container() {
        let failed = |terminated: Value| {
            let mut pod = pod(&json!({ "phase": "Failed", "containerStatuses": [{
                "name": "load", "image": "lab", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "terminated": terminated } }] }));
            let limits = json!({ "limits": { "memory": "512Mi" } });
            let containers = json!([{ "name": "proxy" }, { "name": "load", "resources": limits }]);
            pod.spec = serde_json::from_value(json!({ "containers": containers })).unwrap();
            ending(&pod).unwrap()
        };
        let killed = failed(json!({ "exitCode": 137, "reason": "OOMKilled" }));
        assert!(killed.is_cause);
        assert_eq!(killed.text, "it was OOMKilled: its memory limit is 512Mi");
        // Its end may be that of an eviction, which is told a moment later.
        let crashed = failed(json!({ "exitCode": 139, "reason": "Error" }));
        assert!(!crashed.is_cause);
        assert_eq!(
            crashed.text,
            "its container ended with exit code 139 (Error, signal 11), restarts: 0"
        );
        let spoke = failed(json!({ "exitCode": 1, "reason": "Error",
            "message": "ready\nlab: cannot listen on 0.0.0.0:8080\n" }));
        assert!(
            spoke
                .text
                .ends_with("restarts: 0; it said: lab: cannot listen on 0.0.0.0:8080"),
            "{}",
            spoke.text
        );
        let nothing = ending(&pod(&json!({ "phase": "Failed" }))).unwrap();
        assert!(nothing.is_cause);
    }

    #[test]
    fn the_port_is_that_of_the_service_whatever_stands_before_it() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "labels": { "app": "api" } },
            "status": { "podIP": "10.0.0.7" },
            "spec": { "containers": [
                { "name": "proxy", "ports": [{ "containerPort": 15001 }] },
                { "name": "api", "ports": [{ "containerPort": 8080 }] },
            ] },
        }))
        .unwrap();
        assert_eq!(address(&pod), "10.0.0.7:8080".parse().ok());
    }

    /// As a kubelet that runs out of memory tells it: first the container ends, then the pod says why.
    #[test]
    fn an_eviction_is_named_and_not_the_container_that_it_ends() {
        let mut status = json!({ "phase": "Running", "containerStatuses": [{
            "name": "api", "image": "lab", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } }] });
        let first = ending(&pod(&status)).unwrap();
        assert!(!first.is_cause, "{first:?}");
        assert_eq!(endings(&pod(&status)), 1);
        status["conditions"] = json!([{ "type": "DisruptionTarget", "status": "True",
            "reason": "TerminationByKubelet", "message": "The node was low on resource: memory. " }]);
        let then = ending(&pod(&status)).unwrap();
        assert!(then.is_cause, "{then:?}");
        assert_eq!(
            then.text,
            "TerminationByKubelet: The node was low on resource: memory."
        );
        status["phase"] = "Failed".into();
        status["reason"] = "Evicted".into();
        status["message"] = "Usage of memory was too high.".into();
        let last = ending(&pod(&status)).unwrap();
        assert_eq!(last.text, "Evicted: Usage of memory was too high.");
    }

    #[test]
    fn pods_that_request_no_cpu_are_known_as_such() {
        let with = |containers: Value| {
            let pod: Pod = serde_json::from_value(json!({
                "metadata": { "name": "api-7" }, "spec": { "containers": containers } }))
            .unwrap();
            immeasurable(&pod)
        };
        let of = |requests: Value| json!({ "name": "api", "resources": { "requests": requests } });
        assert_eq!(with(json!([of(json!({ "cpu": "50m" }))])), None);
        let zero = with(json!([of(json!({ "cpu": "0" }))]));
        assert_eq!(zero, Some(MetricError::ZeroRequest));
        let missing = with(json!([of(json!({ "cpu": "50m" })), { "name": "proxy" }]));
        let Some(MetricError::MissingRequest { container, .. }) = missing else {
            panic!("{missing:?}");
        };
        assert_eq!(container, "proxy");
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

    fn saying(reason: &str, message: &str) -> Scaling {
        let mut hpa = hpa(0, "False", reason);
        let conditions = hpa.status.as_mut().unwrap().conditions.as_mut().unwrap();
        conditions[1].message = Some(message.to_owned());
        Scaling::of(&hpa, 1)
    }

    #[test]
    fn a_message_that_changes_is_news_and_one_whose_figures_change_is_not() {
        const REASON: &str = "FailedGetResourceMetric";
        let first = saying(REASON, "no metrics returned from resource metrics API");
        let steady = saying(REASON, "no metrics returned matched known pods");
        let news = steady.news(&first).unwrap();
        assert_eq!(
            news,
            "autoscaler: 1 as before; no metrics returned matched known pods"
        );
        assert_eq!(steady.news(&steady), None);
        let of = |pod: &str| {
            let message = format!("missing request for cpu in container api of Pod {pod}");
            saying(REASON, &message)
        };
        assert_eq!(of("api-7d4b9c-x2x").news(&of("api-7d4b9c-zz9")), None);
    }

    #[test]
    fn what_waiting_does_not_mend_is_told_from_what_it_does() {
        for (reason, message, hopeless) in [
            (
                "FailedGetResourceMetric",
                "missing request for cpu in container api of Pod api-1",
                true,
            ),
            (
                "FailedGetResourceMetric",
                "failed: no metrics returned matched known pods",
                true,
            ),
            (
                "FailedGetResourceMetric",
                "no metrics returned from resource metrics API",
                false,
            ),
            (
                "FailedGetResourceMetric",
                "did not receive metrics for targeted pods",
                false,
            ),
            ("InvalidMetricSourceType", "whatever it says", true),
        ] {
            assert_eq!(saying(reason, message).hopeless, hopeless, "{message}");
        }
        assert!(!Scaling::of(&hpa(4, "True", "ValidMetricFound"), 1).hopeless);
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
