//! How the api's Deployment replaces its pods, after the API server's defaults (`pkg/apis/apps/v1/defaults.go`,
//! `pkg/apis/core/v1/defaults.go`): what a rolling restart goes by.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::rules::{self, Refusal};
use super::strict::{self, Manifest};
use super::{FieldPath, ManifestError};

/// The container that runs the api.
const API: &str = "api";

/// What a Deployment and a container have where they say nothing.
const DEFAULT_GRACE_S: i64 = 30;
const DEFAULT_PERIOD_S: i32 = 10;
const DEFAULT_SHARE: u32 = 25;

/// How pods are replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rollout {
    /// Pods that there are to be.
    pub replicas: u32,
    /// In what order they go and come.
    pub strategy: Strategy,
    /// From the decision that a pod goes to SIGKILL (`terminationGracePeriodSeconds`).
    pub grace: Duration,
    /// Of that, what passes before SIGTERM (`preStop`).
    pub pre_stop: Duration,
    /// From a pod's start to the first question whether it is ready.
    pub first_probe: Duration,
    /// Between two questions.
    pub probe_period: Duration,
}

/// In what order pods go and come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strategy {
    /// All go; when they have ended, new ones come.
    Recreate,
    /// A few at a time.
    Rolling {
        /// Pods that may lack at a time.
        max_unavailable: u32,
        /// Pods that there may be too many at a time. Those that are ending do not count.
        max_surge: u32,
    },
}

/// Reads how the Deployment in `text` replaces its pods; `file` is for the messages.
pub fn parse_rollout(file: &Path, text: &str) -> Result<Rollout, ManifestError> {
    let manifest: Manifest<'_, Deployment> = Manifest::of(file, strict::document(file, text)?)?;
    rules::deployment(&manifest.object).map_err(|refusal| manifest.refused(refusal))?;
    let spec = manifest.object.spec.clone().unwrap_or_default();
    let at = FieldPath::new("spec");
    if spec.paused == Some(true) {
        return Err(manifest.refused(Refusal {
            field: at.keys("paused"),
            rule: "is true, and Kubernetes replaces no pod of a Deployment that is paused; take that line out"
                .to_owned(),
        }));
    }
    if spec.min_ready_seconds.unwrap_or(0) > 0 {
        let instead = "take that line out";
        let what = "a time that a pod must have been ready";
        return Err(not_played(
            &manifest,
            at.keys("minReadySeconds"),
            what,
            instead,
        ));
    }
    let replicas = spec.replicas.unwrap_or(1).unsigned_abs();
    let pod = spec.template.spec.clone().unwrap_or_default();
    let at = at.keys("template.spec.containers");
    let mut containers = pod.containers.iter().enumerate();
    let Some((index, container)) = containers.find(|(_, container)| container.name == API) else {
        return Err(manifest.refused(Refusal {
            field: at,
            rule: format!("has no container named `{API}`; keep that name"),
        }));
    };
    let at = at.index(index);
    let probe = probe(&manifest, &at, container)?;
    let grace = pod
        .termination_grace_period_seconds
        .unwrap_or(DEFAULT_GRACE_S);
    Ok(Rollout {
        replicas,
        strategy: strategy(&spec, replicas),
        grace: Duration::from_secs(grace.unsigned_abs()),
        pre_stop: pre_stop(&manifest, &at, container)?,
        first_probe: seconds(probe.initial_delay_seconds.unwrap_or(0)),
        probe_period: seconds(probe.period_seconds.unwrap_or(DEFAULT_PERIOD_S)),
    })
}

/// With shares of pods as numbers: a surge is rounded up, what may lack is rounded down, and where both come to
/// nothing one may lack (`ResolveFenceposts` in `pkg/controller/deployment/util`).
fn strategy(spec: &DeploymentSpec, replicas: u32) -> Strategy {
    let given = spec.strategy.clone().unwrap_or_default();
    if given.type_.as_deref() == Some("Recreate") {
        return Strategy::Recreate;
    }
    let update = given.rolling_update.unwrap_or_default();
    let lacking = pods(update.max_unavailable.as_ref(), |percent| {
        replicas.saturating_mul(percent) / 100
    });
    let max_surge = pods(update.max_surge.as_ref(), |percent| {
        replicas.saturating_mul(percent).div_ceil(100)
    });
    Strategy::Rolling {
        max_unavailable: if lacking == 0 && max_surge == 0 {
            1
        } else {
            lacking
        },
        max_surge,
    }
}

/// A number of pods; `of` turns a share into one.
fn pods(given: Option<&IntOrString>, of: impl Fn(u32) -> u32) -> u32 {
    match given {
        None => of(DEFAULT_SHARE),
        Some(IntOrString::Int(pods)) => pods.unsigned_abs(),
        // The rules know that it is a number with a percent sign.
        Some(IntOrString::String(text)) => {
            of(text.trim_end_matches('%').parse().unwrap_or(u32::MAX))
        }
    }
}

/// The probe by which a pod becomes ready. Without one it is, before it listens.
fn probe<'a>(
    manifest: &Manifest<'_, Deployment>,
    at: &FieldPath,
    container: &'a Container,
) -> Result<&'a Probe, ManifestError> {
    let at = at.keys("readinessProbe");
    let instead = "keep the probe of /readyz";
    let Some(probe) = &container.readiness_probe else {
        return Err(not_played(manifest, at, "missing", instead));
    };
    let path = probe.http_get.as_ref().and_then(|get| get.path.as_deref());
    if path == Some("/readyz") {
        Ok(probe)
    } else {
        Err(not_played(manifest, at, "another way to ask", instead))
    }
}

fn pre_stop(
    manifest: &Manifest<'_, Deployment>,
    at: &FieldPath,
    container: &Container,
) -> Result<Duration, ManifestError> {
    let lifecycle = container.lifecycle.as_ref();
    match lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
        None => Ok(Duration::ZERO),
        Some(LifecycleHandler {
            sleep: Some(sleep), ..
        }) => Ok(Duration::from_secs(sleep.seconds.unsigned_abs())),
        Some(_) => Err(not_played(
            manifest,
            at.keys("lifecycle.preStop"),
            "a hook that runs a program or sends a request",
            "use `sleep: { seconds: … }`",
        )),
    }
}

/// What step 6 leaves out on every platform, for its runs to mean the same.
fn not_played(
    manifest: &Manifest<'_, Deployment>,
    field: FieldPath,
    what: &str,
    instead: &str,
) -> ManifestError {
    manifest.refused(Refusal {
        field,
        rule: format!("is {what}, which step 6 does not play; {instead}"),
    })
}

fn seconds(given: i32) -> Duration {
    Duration::from_secs(given.unsigned_abs().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLVED: &str = include_str!("../../../../deploy/k8s/solved/api-roll.yaml");

    fn with(from: &str, to: &str) -> Result<Rollout, ManifestError> {
        assert!(SOLVED.contains(from), "the manifest no longer says {from}");
        parse_rollout(Path::new("roll.yaml"), &SOLVED.replacen(from, to, 1))
    }

    const ROLLING: &str = "    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }\n";

    #[test]
    fn the_reference_is_read_as_it_says() {
        let seconds = Duration::from_secs;
        let read = parse_rollout(Path::new("roll.yaml"), SOLVED).unwrap();
        let expected = Rollout {
            replicas: 3,
            strategy: Strategy::Rolling {
                max_unavailable: 0,
                max_surge: 1,
            },
            grace: seconds(8),
            pre_stop: seconds(0),
            first_probe: seconds(2),
            probe_period: seconds(1),
        };
        assert_eq!(read, expected);
        let probe = "          readinessProbe:";
        let hook = "          lifecycle: { preStop: { sleep: { seconds: 3 } } }\n          readinessProbe:";
        assert_eq!(with(probe, hook).unwrap().pre_stop, seconds(3));
        let without = with("      terminationGracePeriodSeconds: 8\n", "").unwrap();
        assert_eq!(without.grace, seconds(30));
    }

    #[test]
    fn shares_become_pods_as_in_the_controller() {
        let rolling = |max_unavailable, max_surge| Strategy::Rolling {
            max_unavailable,
            max_surge,
        };
        let strategy = |to: &str| with(ROLLING, to).unwrap().strategy;
        // 25 % of 3, down and up.
        assert_eq!(strategy(""), rolling(0, 1));
        let update = |given: &str| format!("    rollingUpdate: {{ {given} }}\n");
        assert_eq!(
            strategy(&update("maxUnavailable: 50%, maxSurge: 0")),
            rolling(1, 0)
        );
        // Both round down to nothing.
        assert_eq!(
            strategy(&update("maxUnavailable: 10%, maxSurge: 0")),
            rolling(1, 0)
        );
        assert_eq!(
            strategy(&update("maxUnavailable: 100%, maxSurge: 100%")),
            rolling(3, 3)
        );
        let recreate = with(
            &format!("    type: RollingUpdate\n{ROLLING}"),
            "    type: Recreate\n",
        );
        assert_eq!(recreate.unwrap().strategy, Strategy::Recreate);
    }

    #[test]
    fn what_is_not_modelled_is_refused_by_name() {
        let refused = |from: &str, to: &str, says: &str| {
            let error = with(from, to).unwrap_err().to_string();
            assert!(
                error.starts_with("roll.yaml:") && error.contains(says),
                "{error}"
            );
        };
        let probe = "          readinessProbe:";
        refused(
            "  replicas: 3",
            "  paused: true\n  replicas: 3",
            "spec.paused",
        );
        refused(
            "  replicas: 3",
            "  minReadySeconds: 3\n  replicas: 3",
            "spec.minReadySeconds",
        );
        refused(
            probe,
            "          lifecycle: { preStop: { exec: { command: [sleep, \"3\"] } } }\n          readinessProbe:",
            "preStop",
        );
        refused("path: /readyz", "path: /healthz", "another way to ask");
    }
}
