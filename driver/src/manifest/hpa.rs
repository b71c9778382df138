//! The api's `HorizontalPodAutoscaler`: the API server's rules (`pkg/apis/autoscaling/validation`) and
//! defaults (`pkg/apis/autoscaling/v2/defaults.go`), and the limits of what is modelled here.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior,
    MetricSpec,
};

use super::strict::Manifest;
use super::{FieldPath, ManifestError};
use crate::hpa::{Behavior, Change, HpaSpec, ObjectRef, Policy, ScalingRules, SelectPolicy};

type Hpa<'a> = Manifest<'a, HorizontalPodAutoscaler>;

/// The target where `metrics` is missing.
const DEFAULT_CPU_UTILIZATION: u32 = 80;
const MAX_STABILIZATION_SECONDS: u32 = 3600;
const MAX_PERIOD_SECONDS: u32 = 1800;

/// Reads the autoscaler in `text`; `file` is for the messages.
pub fn parse_hpa(file: &Path, text: &str) -> Result<HpaSpec, ManifestError> {
    let manifest: Hpa<'_> = Manifest::parse(file, text)?;
    let spec = &manifest.object.spec;
    let reference = &spec.scale_target_ref;
    let target = ObjectRef {
        namespace: manifest
            .object
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| "default".into()),
        api_version: reference.api_version.clone().unwrap_or_default(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
    };
    // Zero is for metrics that do not come from the pods themselves.
    let min = manifest.number(
        "spec.minReplicas",
        spec.min_replicas.unwrap_or(1),
        1..=u32::MAX,
    )?;
    let max = manifest.number("spec.maxReplicas", spec.max_replicas, 1..=u32::MAX)?;
    if max < min {
        let rule = format!("is {max}, less than minReplicas, {min}");
        return Err(manifest.refused(FieldPath::new("spec.maxReplicas"), rule));
    }
    let target_utilization =
        target_utilization(&manifest, spec.metrics.as_deref().unwrap_or_default())?;
    let behavior = spec
        .behavior
        .as_ref()
        .map(|given| behavior(&manifest, given))
        .transpose()?;
    Ok(HpaSpec {
        target,
        min,
        max,
        target_utilization,
        behavior,
    })
}

/// The one metric that is modelled: CPU, in percent of the request.
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
    let resource = match (metric.type_.as_str(), &metric.resource) {
        ("Resource", Some(resource)) => resource,
        ("Resource", None) => {
            return Err(manifest.refused(at.keys("resource"), "is missing for type Resource"));
        }
        ("ContainerResource" | "Pods" | "Object" | "External", _) => {
            return other("type", &metric.type_);
        }
        (unknown, _) => {
            let rule = format!("is `{unknown}`, which Kubernetes does not know; use Resource");
            return Err(manifest.refused(at.keys("type"), rule));
        }
    };
    if resource.name != "cpu" {
        return other("resource.name", &resource.name);
    }
    let target = &resource.target;
    match (target.type_.as_str(), target.average_utilization) {
        ("Utilization", Some(percent)) => manifest.number_at(
            at.keys("resource.target.averageUtilization"),
            percent,
            1..=u32::MAX,
        ),
        ("Utilization", None) => {
            let rule = "is missing: the CPU use to aim at, in percent of the request";
            Err(manifest.refused(at.keys("resource.target.averageUtilization"), rule))
        }
        ("AverageValue" | "Value", _) => other("resource.target.type", &target.type_),
        (unknown, _) => {
            let rule = format!("is `{unknown}`, which Kubernetes does not know; use Utilization");
            Err(manifest.refused(at.keys("resource.target.type"), rule))
        }
    }
}

fn behavior(
    manifest: &Hpa<'_>,
    given: &HorizontalPodAutoscalerBehavior,
) -> Result<Behavior, ManifestError> {
    let direction = |name: &str, rules: Option<&HPAScalingRules>, default: ScalingRules| match rules
    {
        Some(rules) => self::rules(
            manifest,
            &FieldPath::new("spec.behavior").keys(name),
            rules,
            default,
        ),
        None => Ok(default),
    };
    Ok(Behavior {
        scale_up: direction(
            "scaleUp",
            given.scale_up.as_ref(),
            ScalingRules::default_scale_up(),
        )?,
        scale_down: direction(
            "scaleDown",
            given.scale_down.as_ref(),
            ScalingRules::default_scale_down(),
        )?,
    })
}

/// What is given, over what the API server fills in.
fn rules(
    manifest: &Hpa<'_>,
    at: &FieldPath,
    given: &HPAScalingRules,
    mut rules: ScalingRules,
) -> Result<ScalingRules, ManifestError> {
    if let Some(seconds) = given.stabilization_window_seconds {
        let field = at.keys("stabilizationWindowSeconds");
        let seconds = manifest.number_at(field, seconds, 0..=MAX_STABILIZATION_SECONDS)?;
        rules.stabilization = Some(Duration::from_secs(seconds.into()));
    }
    if let Some(select) = &given.select_policy {
        rules.select = match select.as_str() {
            "Max" => SelectPolicy::Max,
            "Min" => SelectPolicy::Min,
            "Disabled" => SelectPolicy::Disabled,
            other => {
                let rule = format!("is `{other}`; use Max, Min or Disabled");
                return Err(manifest.refused(at.keys("selectPolicy"), rule));
            }
        };
    }
    if let Some(policies) = &given.policies {
        let at = at.keys("policies");
        if policies.is_empty() {
            return Err(manifest.refused(
                at,
                "is empty; give one policy, or leave it out for the defaults",
            ));
        }
        let policies = policies.iter().enumerate();
        rules.policies = policies
            .map(|(index, given)| policy(manifest, &at.index(index), given))
            .collect::<Result<_, _>>()?;
    }
    if let Some(tolerance) = &given.tolerance {
        rules.tolerance = Some(
            manifest
                .quantity(at.keys("tolerance"), &tolerance.0)?
                .to_f64(),
        );
    }
    Ok(rules)
}

fn policy(
    manifest: &Hpa<'_>,
    at: &FieldPath,
    given: &HPAScalingPolicy,
) -> Result<Policy, ManifestError> {
    let value = manifest.number_at(at.keys("value"), given.value, 1..=u32::MAX)?;
    let period = manifest.number_at(
        at.keys("periodSeconds"),
        given.period_seconds,
        1..=MAX_PERIOD_SECONDS,
    )?;
    let change = match given.type_.as_str() {
        "Pods" => Change::Pods(value),
        "Percent" => Change::Percent(value),
        other => {
            return Err(manifest.refused(
                at.keys("type"),
                format!("is `{other}`; use Pods or Percent"),
            ));
        }
    };
    Ok(Policy {
        change,
        period: Duration::from_secs(period.into()),
    })
}
