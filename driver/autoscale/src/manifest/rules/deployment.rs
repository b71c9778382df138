//! A Deployment (`ValidateDeployment` in `pkg/apis/apps/validation`).

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{FieldPath, Refusal, Verdict, metadata, not_negative, pod, refuse, selector, words};

/// The seconds a rollout may take, where the Deployment gives none (`pkg/apis/apps/v1/defaults.go`).
const DEFAULT_DEADLINE: i32 = 600;
/// The share of pods that a rollout may lack or have too many, likewise.
const DEFAULT_SHARE: i32 = 25;

/// A Deployment that the API server takes.
pub(in crate::manifest) fn check(object: &Deployment) -> Verdict {
    metadata::of_object(&FieldPath::new("metadata"), &object.metadata)?;
    let at = FieldPath::new("spec");
    let Some(spec) = &object.spec else {
        return refuse(&at, "is missing");
    };
    not_negative(&at.keys("replicas"), spec.replicas)?;
    let selecting = at.keys("selector");
    selector::check(&selecting, Some(&spec.selector))?;
    if selector::is_empty(&spec.selector) {
        return refuse(
            &selecting,
            "is missing or empty; it names the labels of the template",
        );
    }
    pod::template(&at.keys("template"), &spec.template, &spec.selector)?;
    if let Some(given) = &spec.strategy {
        strategy(&at.keys("strategy"), given)?;
    }
    not_negative(&at.keys("minReadySeconds"), spec.min_ready_seconds)?;
    not_negative(
        &at.keys("revisionHistoryLimit"),
        spec.revision_history_limit,
    )?;
    let deadline = at.keys("progressDeadlineSeconds");
    not_negative(&deadline, spec.progress_deadline_seconds)?;
    let (seconds, ready) = (
        spec.progress_deadline_seconds.unwrap_or(DEFAULT_DEADLINE),
        spec.min_ready_seconds.unwrap_or(0),
    );
    if seconds <= ready {
        let rule = format!("is {seconds}, but must be more than minReadySeconds, {ready}");
        return refuse(&deadline, rule);
    }
    Ok(())
}

fn strategy(at: &FieldPath, strategy: &DeploymentStrategy) -> Verdict {
    let kinds = ["RollingUpdate", "Recreate"];
    words(at, &[("type", &strategy.type_, &kinds)])?;
    let at = at.keys("rollingUpdate");
    match &strategy.rolling_update {
        Some(_) if strategy.type_.as_deref() == Some("Recreate") => {
            refuse(&at, "must not be there beside Recreate")
        }
        Some(update) => rolling(&at, update),
        None => Ok(()),
    }
}

fn rolling(at: &FieldPath, update: &RollingUpdateDeployment) -> Verdict {
    let (unavailable, surge) = (at.keys("maxUnavailable"), at.keys("maxSurge"));
    let lacking = amount(&unavailable, update.max_unavailable.as_ref())?;
    let extra = amount(&surge, update.max_surge.as_ref())?;
    if lacking == 0 && extra == 0 {
        return refuse(
            &unavailable,
            "is 0 and maxSurge too, so that no pod could be replaced",
        );
    }
    if matches!(&update.max_unavailable, Some(IntOrString::String(_))) && lacking > 100 {
        return refuse(&unavailable, format!("is {lacking}%, more than all pods"));
    }
    Ok(())
}

/// A number of pods or a share of them.
fn amount(at: &FieldPath, given: Option<&IntOrString>) -> Result<i32, Refusal> {
    match given {
        None => Ok(DEFAULT_SHARE),
        Some(IntOrString::Int(pods)) => {
            not_negative(at, Some(*pods))?;
            Ok(*pods)
        }
        Some(IntOrString::String(text)) => {
            let digits = text.strip_suffix('%').filter(|digits| {
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
            });
            digits
                .map(|digits| digits.parse().unwrap_or(i32::MAX))
                .ok_or_else(|| Refusal {
                    field: at.clone(),
                    rule: format!("is `{text}`; write a number, or a share such as 25%"),
                })
        }
    }
}
