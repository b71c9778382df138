//! The api's `HorizontalPodAutoscaler`, as far as it is modelled here, with the API server's defaults
//! (`pkg/apis/autoscaling/v2/defaults.go`).

use std::path::Path;
use std::time::Duration;

use k8s_openapi::Resource;
use k8s_openapi::api::autoscaling::v1;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};

use super::deployment::namespace;
use super::rules::{self, Refusal};
use super::strict::{self, Manifest};
use super::yaml::Node;
use super::{FieldPath, ManifestError, Quantity};
use crate::hpa::{Behavior, Change, HpaSpec, ObjectRef, Policy, ScalingRules, SelectPolicy};

type Hpa<'a> = Manifest<'a, HorizontalPodAutoscaler>;

/// The target where `metrics` is missing.
const DEFAULT_CPU_UTILIZATION: u32 = 80;

/// Reads the autoscaler in `text`, of either version; `file` is for the messages.
pub fn parse_hpa(file: &Path, text: &str) -> Result<HpaSpec, ManifestError> {
    let document = strict::document(file, text)?;
    let manifest = if is_v1(&document) {
        from_v1(Manifest::of(file, document)?)?
    } else {
        Hpa::of(file, document)?
    };
    let object = &manifest.object;
    rules::autoscaler(object).map_err(|refusal| manifest.refused(refusal))?;
    let spec = &object.spec;
    let reference = &spec.scale_target_ref;
    Ok(HpaSpec {
        target: ObjectRef {
            namespace: namespace(&object.metadata),
            api_version: reference.api_version.clone().unwrap_or_default(),
            kind: reference.kind.clone(),
            name: reference.name.clone(),
        },
        min: spec.min_replicas.unwrap_or(1).unsigned_abs(),
        max: spec.max_replicas.unsigned_abs(),
        target_utilization: target_utilization(
            &manifest,
            spec.metrics.as_deref().unwrap_or_default(),
        )?,
        behavior: spec.behavior.as_ref().map(behavior),
    })
}

/// Whether a document is an autoscaler of the first version, which knows CPU alone.
pub(super) fn is_v1(document: &Node) -> bool {
    document.text("kind") == Some(v1::HorizontalPodAutoscaler::KIND)
        && document.text("apiVersion") == Some(v1::HorizontalPodAutoscaler::API_VERSION)
}

/// The first version as the second (`pkg/apis/autoscaling/v1/conversion.go`). What it kept in annotations is refused.
fn from_v1(manifest: Manifest<'_, v1::HorizontalPodAutoscaler>) -> Result<Hpa<'_>, ManifestError> {
    let annotations = manifest.object.metadata.annotations.as_ref();
    let hidden = |key: &&String| key.starts_with("autoscaling.alpha.kubernetes.io/");
    if let Some(key) = annotations.and_then(|all| all.keys().find(hidden)) {
        let field = FieldPath::new("metadata.annotations").key(key);
        return Err(manifest.not_modelled(field, "an annotation", "use autoscaling/v2"));
    }
    if let Some(percent) = manifest.object.spec.target_cpu_utilization_percentage
        && percent < 1
    {
        return Err(manifest.refused(Refusal {
            field: FieldPath::new("spec.targetCPUUtilizationPercentage"),
            rule: format!("is {percent}, but must be at least 1"),
        }));
    }
    Ok(
        manifest.map(|v1::HorizontalPodAutoscaler { metadata, spec, .. }| {
            let target = spec.scale_target_ref;
            let cpu = |percent| MetricSpec {
                type_: "Resource".into(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".into(),
                    target: MetricTarget {
                        type_: "Utilization".into(),
                        average_utilization: Some(percent),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            };
            HorizontalPodAutoscaler {
                metadata,
                spec: HorizontalPodAutoscalerSpec {
                    scale_target_ref: CrossVersionObjectReference {
                        api_version: target.api_version,
                        kind: target.kind,
                        name: target.name,
                    },
                    min_replicas: spec.min_replicas,
                    max_replicas: spec.max_replicas,
                    metrics: spec
                        .target_cpu_utilization_percentage
                        .map(|percent| vec![cpu(percent)]),
                    behavior: None,
                },
                status: None,
            }
        }),
    )
}

/// The one metric that is modelled: CPU, in percent of the request. As the controller does, this goes by the number
/// that the target has, not by its type.
fn target_utilization(manifest: &Hpa<'_>, metrics: &[MetricSpec]) -> Result<u32, ManifestError> {
    let at = FieldPath::new("spec.metrics");
    let instead = "use one metric: type Resource, name cpu, target type Utilization";
    let metric = match metrics {
        [] => return Ok(DEFAULT_CPU_UTILIZATION),
        [metric] => metric,
        [_, ..] => return Err(manifest.not_modelled(at.index(1), "a second metric", instead)),
    };
    let at = at.index(0);
    let other = |field: &str, what: &str| {
        Err(manifest.not_modelled(at.keys(field), format!("{what} as the metric"), instead))
    };
    let Some(resource) = &metric.resource else {
        return other("type", &metric.type_);
    };
    match resource.target.average_utilization {
        _ if resource.name != "cpu" => other("resource.name", &resource.name),
        Some(percent) => Ok(percent.unsigned_abs()),
        None => other("resource.target.averageValue", "an amount"),
    }
}

fn behavior(given: &HorizontalPodAutoscalerBehavior) -> Behavior {
    let rules = |given: Option<&HPAScalingRules>, default: ScalingRules| match given {
        Some(given) => rules(given, default),
        None => default,
    };
    Behavior {
        scale_up: rules(given.scale_up.as_ref(), ScalingRules::default_scale_up()),
        scale_down: rules(
            given.scale_down.as_ref(),
            ScalingRules::default_scale_down(),
        ),
    }
}

/// What is given, over what the API server fills in.
fn rules(given: &HPAScalingRules, mut rules: ScalingRules) -> ScalingRules {
    if let Some(window) = given.stabilization_window_seconds {
        rules.stabilization = Some(seconds(window));
    }
    match given.select_policy.as_deref() {
        Some("Min") => rules.select = SelectPolicy::Min,
        Some("Disabled") => rules.select = SelectPolicy::Disabled,
        _ => {}
    }
    if let Some(policies) = &given.policies {
        rules.policies = policies.iter().map(policy).collect();
    }
    let tolerance = given.tolerance.as_ref();
    if let Some(tolerance) = tolerance.and_then(|given| given.0.parse::<Quantity>().ok()) {
        rules.tolerance = Some(tolerance.to_f64());
    }
    rules
}

fn policy(given: &HPAScalingPolicy) -> Policy {
    let value = given.value.unsigned_abs();
    Policy {
        change: match given.type_.as_str() {
            "Percent" => Change::Percent(value),
            _ => Change::Pods(value),
        },
        period: seconds(given.period_seconds),
    }
}

fn seconds(given: i32) -> Duration {
    Duration::from_secs(given.unsigned_abs().into())
}
