//! The load pods of a run: the Job that makes them and owns all other objects of the run, and the streams to them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::OwnerReference};
use lab_load::Found;
use lab_remote::{Fleet, Line, Stream};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    Error,
    kubectl::{Attached, Kubectl},
    objects::{self, Manifests},
    reader::Api,
    state,
};
use crate::platform::{
    LoadSpec,
    gateway::{Asks, Gateway},
};

/// What the load pods are called, as the services are by their names.
pub(super) const APP: &str = "load";

/// Between two looks at the pods.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// For the pods to run, the image being there.
const RUNS_WITHIN: Duration = Duration::from_mins(2);

/// A reason not to run counts when it has lasted this long: a node gets room when old pods go.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// For a container that has just begun to run to be one that can be attached to.
const ATTACHED_WITHIN: Duration = Duration::from_secs(10);

/// For a pod to end when its stream does.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// The Job of a run.
#[derive(Clone, Debug)]
pub(super) struct Job {
    name: String,
    uid: String,
    pods: u32,
}

impl Job {
    /// Makes it; the namespace must be there.
    pub(super) async fn create(
        kubectl: &Kubectl,
        manifests: &Manifests<'_>,
        spec: &LoadSpec,
    ) -> Result<Self, Error> {
        // A name of its own, since the Job of the run before may be on its way out.
        let name = format!("{APP}-{:08x}", fastrand::u32(..));
        let job = manifests.load(&name, spec)?.to_string();
        let arguments = ["create", "--filename=-", "--output=json"];
        let made = kubectl
            .run(&arguments, Some(job.as_bytes()), RUNS_WITHIN)
            .await?;
        let made: Value = serde_json::from_str(&made).unwrap_or_default();
        let uid = made["metadata"]["uid"].as_str().unwrap_or_default();
        Ok(Self {
            name,
            uid: uid.to_owned(),
            pods: spec.pods,
        })
    }

    /// Makes it the owner of an object: the cluster removes that when the Job is gone.
    pub(super) fn own(&self, object: &mut Value) {
        object["metadata"]["ownerReferences"] = json!([self.owner()]);
    }

    /// It, as what it owns names it.
    pub(super) fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: "batch/v1".to_owned(),
            kind: "Job".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            ..OwnerReference::default()
        }
    }

    /// Waits until its pods run, and attaches to each.
    pub(super) async fn join(&self, kubectl: &Kubectl, api: &Api) -> Result<(Fleet, Pods), Error> {
        let names = self.running(kubectl, api).await?;
        let deadline = Instant::now() + ATTACHED_WITHIN;
        loop {
            let (streams, attached) = attach(kubectl, &names)?;
            match Fleet::join(streams).await {
                Ok(fleet) => {
                    let pods = Pods::open(fleet.lines(), attached).await?;
                    return Ok((fleet, pods));
                }
                Err(lab_remote::Error::Broken { .. }) if Instant::now() < deadline => {
                    sleep(LOOK_EVERY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The names of its pods in the order of their numbers, once all of them run.
    async fn running(&self, kubectl: &Kubectl, api: &Api) -> Result<Vec<String>, Error> {
        let missing_image = kubectl.site.missing_image();
        let deadline = Instant::now() + RUNS_WITHIN;
        let mut stuck_since = None;
        loop {
            let pods = api.pods(&objects::of_any_run()).await?;
            let pods = pods.iter().filter(|pod| self.has(pod));
            let mut running = BTreeMap::new();
            let mut stuck = None;
            for pod in pods {
                if let Some(text) = state::stuck(pod, &missing_image) {
                    stuck = Some((state::name(pod).to_owned(), text));
                } else if state::is_running(pod) {
                    running.insert(index(pod), state::name(pod).to_owned());
                }
            }
            if running.len() == self.pods as usize {
                return Ok(running.into_values().collect());
            }
            stuck_since = stuck.as_ref().and(stuck_since.or(Some(Instant::now())));
            match stuck {
                Some((pod, text))
                    if stuck_since.is_some_and(|since| since.elapsed() > STUCK_AFTER) =>
                {
                    return Err(Error::Stuck { pod, text });
                }
                _ if Instant::now() > deadline => {
                    return Err(Error::Late {
                        missing: "the load pods".to_owned(),
                        within: RUNS_WITHIN,
                        look: kubectl.site.kubectl("get pods,events"),
                    });
                }
                _ => sleep(LOOK_EVERY).await,
            }
        }
    }

    fn has(&self, pod: &Pod) -> bool {
        let owners = pod.metadata.owner_references.iter().flatten();
        state::app(pod) == APP && owners.into_iter().any(|owner| owner.uid == self.uid)
    }
}

/// The number that an Indexed Job gives its pod.
fn index(pod: &Pod) -> u32 {
    let annotations = pod.metadata.annotations.as_ref();
    let index = annotations.and_then(|all| all.get("batch.kubernetes.io/job-completion-index"));
    index
        .and_then(|index| index.parse().ok())
        .unwrap_or_default()
}

fn attach(kubectl: &Kubectl, pods: &[String]) -> Result<(Vec<Stream>, Vec<Attached>), Error> {
    let mut both = Vec::new();
    for pod in pods {
        let arguments = ["attach", "--stdin", "--quiet", pod];
        both.push(kubectl.attach(&arguments)?);
    }
    Ok(both.into_iter().unzip())
}

/// The load pods that the driver is attached to.
pub(super) struct Pods {
    /// The way of the driver's own requests.
    pub(super) gateway: Gateway,
    lines: Vec<Line>,
    attached: Vec<Attached>,
}

impl Pods {
    async fn open(lines: Vec<Line>, attached: Vec<Attached>) -> Result<Self, Error> {
        // One is enough for what little the driver asks.
        let gateway = Gateway::open(Asks::Pod(lines[0].clone())).await;
        Ok(Self {
            gateway: gateway.map_err(Error::Gateway)?,
            lines,
            attached,
        })
    }

    /// Has each look at how late it wakes up, now that it is idle.
    pub(super) fn look_at_floor(&self) {
        for line in &self.lines {
            line.look_at_floor();
        }
    }

    /// The addresses of a name, as the cluster sees it, that take connections.
    pub(super) async fn find(&self, host: &str, port: u16) -> Result<Found, String> {
        self.lines[0].find(host, port).await
    }

    /// Ends them.
    pub(super) async fn end(self) {
        for line in &self.lines {
            line.end();
        }
        let all = async {
            for mut stream in self.attached {
                stream.ended().await;
            }
        };
        // One that does not end is killed as it is dropped, and the pod ends by its own.
        let _ = timeout(ENDS_WITHIN, all).await;
    }
}
