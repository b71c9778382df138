//! A `HorizontalPodAutoscaler` (`ValidateHorizontalPodAutoscaler` in `pkg/apis/autoscaling/validation`).

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    MetricSpec, MetricTarget,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{
    FieldPath, Verdict, each, metadata, name, refuse, required, resources, within, word_of,
};

/// The longest window of stabilization, in seconds.
const LONGEST_WINDOW: i64 = 3600;
/// The longest period of a policy, in seconds.
const LONGEST_PERIOD: i64 = 1800;

/// An autoscaler that the API server takes.
pub(in crate::manifest) fn check(object: &HorizontalPodAutoscaler) -> Verdict {
    metadata::of_object(&FieldPath::new("metadata"), &object.metadata)?;
    let (at, spec) = (FieldPath::new("spec"), &object.spec);
    // Zero needs a feature that is off, and metrics that do not come from the pods themselves.
    within(&at.keys("minReplicas"), spec.min_replicas, 1..=i64::MAX)?;
    let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    within(&at.keys("maxReplicas"), Some(max), 1..=i64::MAX)?;
    if max < min {
        let rule = format!("is {max}, less than minReplicas, {min}");
        return refuse(&at.keys("maxReplicas"), rule);
    }
    let target = &spec.scale_target_ref;
    reference(
        &at.keys("scaleTargetRef"),
        target,
        target.kind == "ReplicationController",
    )?;
    each(&at.keys("metrics"), spec.metrics.as_ref(), metric)?;
    if let Some(behavior) = &spec.behavior {
        let at = at.keys("behavior");
        rules(&at.keys("scaleUp"), behavior.scale_up.as_ref())?;
        rules(&at.keys("scaleDown"), behavior.scale_down.as_ref())?;
    }
    Ok(())
}

/// A reference to an object; only what is in the core of Kubernetes has no group.
fn reference(at: &FieldPath, object: &CrossVersionObjectReference, groupless: bool) -> Verdict {
    name::path_segment(&at.keys("kind"), &object.kind)?;
    name::path_segment(&at.keys("name"), &object.name)?;
    let version = object.api_version.as_deref().unwrap_or_default();
    let at = at.keys("apiVersion");
    match version.split_once('/') {
        Some((_, version)) if version.contains('/') => refuse(
            &at,
            "must be a group and a version with one `/` between them",
        ),
        Some((group, _)) if !group.is_empty() => Ok(()),
        _ if groupless => Ok(()),
        _ => {
            let rule = format!("is `{version}`, but must name group and version, such as apps/v1");
            refuse(&at, rule)
        }
    }
}

fn metric(at: &FieldPath, metric: &MetricSpec) -> Verdict {
    let kinds = [
        ("Resource", "resource", metric.resource.is_some()),
        (
            "ContainerResource",
            "containerResource",
            metric.container_resource.is_some(),
        ),
        ("Pods", "pods", metric.pods.is_some()),
        ("Object", "object", metric.object.is_some()),
        ("External", "external", metric.external.is_some()),
    ];
    let words = kinds.map(|(kind, _, _)| kind);
    word_of(&at.keys("type"), &metric.type_, &words)?;
    let Some((_, wanted, there)) = kinds.into_iter().find(|(kind, ..)| *kind == metric.type_)
    else {
        return Ok(());
    };
    if !there {
        return refuse(
            &at.keys(wanted),
            format!("is missing for type {}", metric.type_),
        );
    }
    source(at, metric)?;
    let other = kinds
        .into_iter()
        .find(|(_, field, there)| *there && *field != wanted);
    match other {
        Some((_, field, _)) => {
            let rule = format!("is one too many beside {wanted}; keep the one that type names");
            refuse(&at.keys(field), rule)
        }
        None => Ok(()),
    }
}

fn source(at: &FieldPath, metric: &MetricSpec) -> Verdict {
    if let Some(object) = &metric.object {
        let at = at.keys("object.describedObject");
        reference(&at, &object.described_object, true)?;
    }
    let [object, external, pods] = [
        metric.object.as_ref().map(|it| (&it.metric, &it.target)),
        metric.external.as_ref().map(|it| (&it.metric, &it.target)),
        metric.pods.as_ref().map(|it| (&it.metric, &it.target)),
    ];
    for (kind, given) in [("object", object), ("external", external), ("pods", pods)] {
        if let Some((metric, aim)) = given {
            name::path_segment(&at.keys(kind).keys("metric.name"), &metric.name)?;
            target(&at.keys(kind).keys("target"), aim, kind)?;
        }
    }
    if let Some(one) = &metric.container_resource {
        required(&at.keys("containerResource.container"), &one.container)?;
    }
    let all = metric.resource.as_ref().map(|it| (&it.name, &it.target));
    let one = metric.container_resource.as_ref();
    let one = one.map(|it| (&it.name, &it.target));
    for (kind, given) in [("resource", all), ("containerResource", one)] {
        if let Some((name, aim)) = given {
            required(&at.keys(kind).keys("name"), name)?;
            target(&at.keys(kind).keys("target"), aim, kind)?;
        }
    }
    Ok(())
}

/// What a metric of `kind` is to be.
fn target(at: &FieldPath, target: &MetricTarget, kind: &str) -> Verdict {
    word_of(
        &at.keys("type"),
        &target.type_,
        &["Utilization", "AverageValue", "Value"],
    )?;
    positive(&at.keys("value"), target.value.as_ref())?;
    positive(&at.keys("averageValue"), target.average_value.as_ref())?;
    within(
        &at.keys("averageUtilization"),
        target.average_utilization,
        1..=i64::MAX,
    )?;
    let value = ("value", target.value.is_some());
    let average = ("averageValue", target.average_value.is_some());
    let utilization = ("averageUtilization", target.average_utilization.is_some());
    let (first, other) = match kind {
        "pods" => (average, average),
        "object" | "external" => (average, value),
        _ => (utilization, average),
    };
    match (first.1, other.1) {
        (false, false) if first == utilization => refuse(
            &at.keys(first.0),
            "is missing: the use to aim at, in percent of the request",
        ),
        (false, false) => refuse(&at.keys(first.0), "is missing"),
        // The controller takes the first of the two that an object has.
        (true, true) if !matches!(kind, "pods" | "object") => {
            let rule = format!("is one too many beside {}; keep one of them", first.0);
            refuse(&at.keys(other.0), rule)
        }
        _ => Ok(()),
    }
}

fn positive(at: &FieldPath, given: Option<&Quantity>) -> Verdict {
    let Some(given) = given else {
        return Ok(());
    };
    if resources::quantity(at, given)?.is_zero() {
        return refuse(at, "is 0, but must be more");
    }
    Ok(())
}

fn rules(at: &FieldPath, rules: Option<&HPAScalingRules>) -> Verdict {
    let Some(rules) = rules else {
        return Ok(());
    };
    let window = at.keys("stabilizationWindowSeconds");
    within(
        &window,
        rules.stabilization_window_seconds,
        0..=LONGEST_WINDOW,
    )?;
    let selects = ["Max", "Min", "Disabled"];
    if let Some(select) = &rules.select_policy {
        word_of(&at.keys("selectPolicy"), select, &selects)?;
    }
    if rules.policies.as_ref().is_some_and(Vec::is_empty) {
        let rule = "is empty; give one policy, or leave it out for the defaults";
        return refuse(&at.keys("policies"), rule);
    }
    each(&at.keys("policies"), rules.policies.as_ref(), policy)
}

fn policy(at: &FieldPath, policy: &HPAScalingPolicy) -> Verdict {
    word_of(&at.keys("type"), &policy.type_, &["Pods", "Percent"])?;
    within(&at.keys("value"), Some(policy.value), 1..=i64::MAX)?;
    within(
        &at.keys("periodSeconds"),
        Some(policy.period_seconds),
        1..=LONGEST_PERIOD,
    )
}
