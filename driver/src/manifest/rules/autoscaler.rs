//! A `HorizontalPodAutoscaler` (`ValidateHorizontalPodAutoscaler` in `pkg/apis/autoscaling/validation`).

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    MetricIdentifier, MetricSpec, MetricTarget,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{
    FieldPath, Verdict, each, metadata, name, refuse, required, resources, selector, within,
    word_of,
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
        None if groupless => Ok(()),
        None => {
            let rule = format!("is `{version}`, but must name group and version, such as apps/v1");
            refuse(&at, rule)
        }
        Some((_, version)) if version.contains('/') => refuse(
            &at,
            "must be a group and a version with one `/` between them",
        ),
        Some((group, _)) => name::dns_subdomain(&at, group),
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
        let at = at.keys("object");
        reference(&at.keys("describedObject"), &object.described_object, true)?;
        identifier(&at.keys("metric"), &object.metric)?;
        target(&at.keys("target"), &object.target)?;
        either(&at.keys("target"), &object.target, "value")?;
    }
    if let Some(external) = &metric.external {
        let at = at.keys("external");
        identifier(&at.keys("metric"), &external.metric)?;
        target(&at.keys("target"), &external.target)?;
        either(&at.keys("target"), &external.target, "value")?;
    }
    if let Some(pods) = &metric.pods {
        let at = at.keys("pods");
        identifier(&at.keys("metric"), &pods.metric)?;
        target(&at.keys("target"), &pods.target)?;
        if pods.target.average_value.is_none() {
            return refuse(&at.keys("target.averageValue"), "is missing");
        }
    }
    if let Some(resource) = &metric.resource {
        let at = at.keys("resource");
        required(&at.keys("name"), &resource.name)?;
        target(&at.keys("target"), &resource.target)?;
        either(&at.keys("target"), &resource.target, "averageUtilization")?;
    }
    if let Some(one) = &metric.container_resource {
        let at = at.keys("containerResource");
        required(&at.keys("name"), &one.name)?;
        required(&at.keys("container"), &one.container)?;
        name::dns_label(&at.keys("container"), &one.container)?;
        target(&at.keys("target"), &one.target)?;
        either(&at.keys("target"), &one.target, "averageUtilization")?;
    }
    Ok(())
}

fn identifier(at: &FieldPath, metric: &MetricIdentifier) -> Verdict {
    name::path_segment(&at.keys("name"), &metric.name)?;
    match &metric.selector {
        Some(selecting) => selector::check(&at.keys("selector"), selecting),
        None => Ok(()),
    }
}

fn target(at: &FieldPath, target: &MetricTarget) -> Verdict {
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
    )
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

/// A target has an average, or the other number that its source can have.
fn either(at: &FieldPath, target: &MetricTarget, other: &str) -> Verdict {
    let there = match other {
        "value" => target.value.is_some(),
        _ => target.average_utilization.is_some(),
    };
    match (there, target.average_value.is_some()) {
        (true, true) => {
            let rule = format!("is one too many beside {other}; keep one of them");
            refuse(&at.keys("averageValue"), rule)
        }
        (false, false) if other == "averageUtilization" => refuse(
            &at.keys(other),
            "is missing: the use to aim at, in percent of the request",
        ),
        (false, false) => refuse(&at.keys(other), "is missing"),
        _ => Ok(()),
    }
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
    each(&at.keys("policies"), rules.policies.as_ref(), policy)?;
    match &rules.tolerance {
        Some(tolerance) => resources::quantity(&at.keys("tolerance"), tolerance).map(drop),
        None => Ok(()),
    }
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
