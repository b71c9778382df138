//! The autoscaler of the local platform: Kubernetes' algorithm ([`lab_autoscale::hpa`]) over the replicas
//! of this run, fed with the CPU that each reports.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab_autoscale::hpa::{
    self, Autoscaler, CpuRequest, HpaSpec, Millicores, PodPhase, PodSample, Readiness, Usage,
};
use lab_autoscale::manifest::{ApiDeployment, ManifestFile};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::Order;
use crate::{
    observe::cpu_seconds,
    platform::{self, ApiManifests, Decision, Replica},
    scenario::{Setting, Settings},
};

/// Time between two decisions. Kubernetes' own default is 15 s
/// (`--horizontal-pod-autoscaler-sync-period`); a run of half a minute needs it shorter, and the
/// report says so.
pub(super) const TICK: Duration = Duration::from_secs(2);

/// What the report says of it.
pub(super) fn pace() -> String {
    format!("it looks every {} s instead of every 15 s", TICK.as_secs())
}

/// The edit points that are manifests.
const DEPLOYMENT: &str = "deploy/k8s/api-deploy.yaml";
const HPA: &str = "deploy/k8s/api-hpa.yaml";

/// A laptop is no cluster: whatever the manifests ask for, no more replicas than this are started.
const MAX_REPLICAS: u32 = 10;

/// The two manifests of step 4, read.
pub(super) struct Manifests {
    deployment: ApiDeployment,
    hpa: HpaSpec,
    files: ApiManifests,
}

/// Reads the manifests of the order's code; none where the scenario does not autoscale.
pub(super) fn manifests(order: &Order<'_>) -> Result<Option<Manifests>> {
    let scenario = order.scenario;
    if !scenario
        .services
        .api
        .as_ref()
        .is_some_and(|api| api.autoscaled)
    {
        return Ok(None);
    }
    let read = |file: &str| ManifestFile::read(order.code.path(order.root, scenario, file));
    let files = ApiManifests {
        deployment: read(DEPLOYMENT)?,
        hpa: read(HPA)?,
    };
    Ok(Some(Manifests {
        deployment: files.deployment.deployment()?,
        hpa: files.hpa.hpa()?,
        files,
    }))
}

impl Manifests {
    /// Replicas to start with; the autoscaler's minimum lifts them at its first tick.
    pub(super) fn initial_replicas(&self) -> u32 {
        match self.no_pods() {
            Some(_) => 0,
            None => self.deployment.replicas.min(MAX_REPLICAS),
        }
    }

    /// Replicas that there are at most.
    pub(super) fn most_replicas(&self) -> u32 {
        self.hpa.max.max(self.deployment.replicas).min(MAX_REPLICAS)
    }

    /// Why there will be no pod, where that is so.
    pub(super) fn no_pods(&self) -> Option<&'static str> {
        self.deployment.no_pods()
    }

    /// What checks and charts want to know of them.
    pub(super) fn settings(&self) -> Settings {
        let request = self.deployment.cpu_request();
        let set_point = request
            .map(|request| request.0 as f64 * f64::from(self.hpa.target_utilization) / 100.0)
            // A request of 0 is none: there is nothing to take a share of.
            .filter(|set_point| *set_point > 0.0);
        let max = (Setting::MaxReplicas, f64::from(self.hpa.max));
        set_point
            .map(|set_point| (Setting::SetPoint, set_point))
            .into_iter()
            .chain([max])
            .collect()
    }

    /// As they were read.
    pub(super) fn files(&self) -> ApiManifests {
        self.files.clone()
    }

    /// The text of an edit point, where it is one of them.
    pub(super) fn text(&self, edit: &str) -> Option<&str> {
        match edit {
            DEPLOYMENT => Some(&self.files.deployment.text),
            HPA => Some(&self.files.hpa.text),
            _ => None,
        }
    }

    /// CPU limit of a pod, which the local platform emulates with a quota.
    pub(super) fn cpu_limit(&self) -> Option<platform::Millicores> {
        let limit = self.deployment.cpu_limit?;
        Some(platform::Millicores(
            u32::try_from(limit.0).unwrap_or(u32::MAX),
        ))
    }
}

/// Starts the autoscaler; without manifests, or pods, there is none, and the task ends at once. It tells each
/// decision that changes the number of replicas, and each whose reason is another than before:
/// why it does nothing is what step 4 is about.
pub(super) fn spawn(
    manifests: Option<Manifests>,
    replicas: watch::Receiver<Vec<Replica>>,
    decisions: mpsc::UnboundedSender<Decision>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(manifests) = manifests.filter(|manifests| manifests.no_pods().is_none()) else {
            return;
        };
        let mut current = manifests.initial_replicas();
        let mut controller = Controller::new(manifests, replicas);
        let mut ticks = tokio::time::interval(TICK);
        let mut told = String::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let hpa::Decision {
                desired,
                reason,
                gives_away,
                ..
            } = controller.tick(current).await;
            let kind = without_numbers(&reason);
            if desired != current || kind != told {
                let sentence = if desired == current {
                    format!("autoscaler: {current} as before; {reason}")
                } else {
                    format!("autoscaler: {current} → {desired} replicas; {reason}")
                };
                let meanwhile = gives_away.then(|| platform::unexplained(desired));
                // Nobody listens any more when the run is over.
                let _ = decisions.send(Decision {
                    desired,
                    sentence,
                    meanwhile,
                });
            }
            told = kind;
            current = desired;
        }
    })
}

/// What sort of reason it is: usage moves with each look, and that alone is no news.
fn without_numbers(reason: &str) -> String {
    reason.split(|c: char| c.is_ascii_digit()).collect()
}

struct Controller {
    autoscaler: Autoscaler,
    request: CpuRequest,
    replicas: watch::Receiver<Vec<Replica>>,
    http: reqwest::Client,
    /// The zero of the autoscaler's clock.
    epoch: Instant,
    /// CPU seconds of each replica at the last tick, and when.
    before: HashMap<String, (Instant, f64)>,
}

impl Controller {
    fn new(manifests: Manifests, replicas: watch::Receiver<Vec<Replica>>) -> Self {
        let epoch = replicas
            .borrow()
            .iter()
            .map(|replica| replica.created)
            .min();
        Self {
            request: manifests.deployment.request.clone(),
            autoscaler: Autoscaler::new(manifests.hpa, manifests.deployment.object_ref()),
            replicas,
            http: crate::http::client(),
            epoch: epoch.unwrap_or_else(Instant::now),
            before: HashMap::new(),
        }
    }

    async fn tick(&mut self, current: u32) -> hpa::Decision {
        let replicas = self.replicas.borrow().clone();
        let mut pods = Vec::with_capacity(replicas.len());
        for replica in &replicas {
            let usage = self.usage(replica).await;
            pods.push(self.pod(replica, usage));
        }
        let mut decision = self.autoscaler.tick(self.epoch.elapsed(), current, &pods);
        decision.desired = decision.desired.min(MAX_REPLICAS);
        decision
    }

    /// Mean CPU use since the last tick; none in a replica's first.
    async fn usage(&mut self, replica: &Replica) -> Option<Usage> {
        let seconds = cpu_seconds(&self.http, replica.endpoint.as_ref()?).await?;
        let now = Instant::now();
        let (then, before) = self.before.insert(replica.name.clone(), (now, seconds))?;
        let window = now - then;
        let millicores = (seconds - before).max(0.0) / window.as_secs_f64() * 1e3;
        Some(Usage {
            cpu: Millicores(millicores.round() as u64),
            at: now - self.epoch,
            window,
        })
    }

    fn pod(&self, replica: &Replica, usage: Option<Usage>) -> PodSample {
        let since = |at: Instant| at.saturating_duration_since(self.epoch);
        PodSample {
            name: replica.name.clone(),
            phase: PodPhase::Running,
            deleting: false,
            started: Some(since(replica.created)),
            readiness: replica.ready_since.map(|at| Readiness {
                ready: true,
                since: since(at),
            }),
            usage,
            request: self.request.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn settings(folder: &str) -> Settings {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let read = |name| ManifestFile::read(root.join(folder).join(name)).unwrap();
        let files = ApiManifests {
            deployment: read("api-deploy.yaml"),
            hpa: read("api-hpa.yaml"),
        };
        let manifests = Manifests {
            deployment: files.deployment.deployment().unwrap(),
            hpa: files.hpa.hpa().unwrap(),
            files,
        };
        manifests.settings()
    }

    #[test]
    fn the_set_point_is_the_target_of_the_request_and_needs_one() {
        let reference = [(Setting::MaxReplicas, 4.0), (Setting::SetPoint, 30.0)];
        assert_eq!(settings("deploy/k8s/solved"), Settings::from(reference));
        let starter = [(Setting::MaxReplicas, 1.0)];
        assert_eq!(settings("deploy/k8s/starter"), Settings::from(starter));
    }

    #[test]
    fn a_reason_is_news_when_its_words_change() {
        let quiet = without_numbers("CPU use is 40% of the requests, the target 60%");
        assert_eq!(
            quiet,
            without_numbers("CPU use is 104% of the requests, the target 60%")
        );
        assert_ne!(quiet, without_numbers("no pod has a CPU sample yet"));
    }
}
