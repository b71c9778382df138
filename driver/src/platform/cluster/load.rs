//! The load pods of a run: the Job that makes them and owns all other objects of the run, and the streams to them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
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
    state::{self, Ending},
};
use crate::platform::{
    Failure, LoadSpec,
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

/// For the cluster to tell how a pod has ended whose stream broke. A kubelet looks every second, and an eviction is named
/// some time after the container has ended.
const TOLD_WITHIN: Duration = Duration::from_secs(4);

/// For `kubectl` to say its own last words.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// Of a load pod that is gone its stream tells more; when that has not said a word for this long, the pod is told.
const UNEXPLAINED_FOR: Duration = Duration::from_secs(10);

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

    /// Attaches to each of its pods as soon as that runs: a pod that nobody speaks to for long ends, and the image of
    /// another may be on its way to another node.
    pub(super) async fn join(&self, kubectl: &Kubectl, api: &Api) -> Result<(Fleet, Pods), Error> {
        let missing_image = kubectl.site.missing_image();
        let deadline = Instant::now() + RUNS_WITHIN;
        let mut stuck_since = None;
        let mut joining = Joining::default();
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
            joining.attach(kubectl, running).await?;
            if joining.attached.len() == self.pods as usize {
                return joining.done().await;
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

/// The pods that have been attached to so far.
#[derive(Default)]
struct Joining {
    fleet: Fleet,
    attached: BTreeMap<u32, (String, Attached)>,
    /// When those were first seen to run that are not attached to yet.
    running_since: BTreeMap<u32, Instant>,
}

impl Joining {
    /// Attaches to those of the pods that run to which nobody has yet.
    async fn attach(
        &mut self,
        kubectl: &Kubectl,
        running: BTreeMap<u32, String>,
    ) -> Result<(), Error> {
        for (index, name) in running {
            if self.attached.contains_key(&index) {
                continue;
            }
            let since = self.running_since.entry(index).or_insert_with(Instant::now);
            let joined = Arc::<AtomicBool>::default();
            let (stream, attached) = attach(kubectl, &name, &joined)?;
            match self.fleet.admit(index, stream).await {
                Ok(()) => {
                    joined.store(true, Relaxed);
                    self.attached.insert(index, (name, attached));
                }
                // It is tried again with the next look.
                Err(lab_remote::Error::Broken { .. }) if since.elapsed() < ATTACHED_WITHIN => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn done(self) -> Result<(Fleet, Pods), Error> {
        let (names, attached) = self.attached.into_values().unzip();
        let pods = Pods::open(names, self.fleet.lines(), attached).await?;
        Ok((self.fleet, pods))
    }
}

/// Attaches to a pod; `joined` is set when it has answered once.
fn attach(
    kubectl: &Kubectl,
    pod: &str,
    joined: &Arc<AtomicBool>,
) -> Result<(Stream, Attached), Error> {
    // By its name: a cluster may put other containers beside it, and before it.
    let container = format!("--container={APP}");
    let arguments = ["attach", "--stdin", "--quiet", &container, pod];
    let (stream, attached) = kubectl.attach(&arguments)?;
    let (kubectl, pod, joined) = (kubectl.clone(), pod.to_owned(), Arc::clone(joined));
    let last_words = Box::pin(last_words(stream.last_words, kubectl, pod, joined));
    let stream = Stream {
        last_words,
        ..stream
    };
    Ok((stream, attached))
}

/// Why a stream broke: what `kubectl` says of it, and the cluster of the pod.
async fn last_words(
    kubectl_says: impl Future<Output = String>,
    kubectl: Kubectl,
    pod: String,
    joined: Arc<AtomicBool>,
) -> String {
    let mut known = None;
    let asks = how_it_ended(&kubectl, &pod, &joined, &mut known);
    let told = timeout(TOLD_WITHIN, asks);
    let (said, _) = tokio::join!(timeout(SAID_WITHIN, kubectl_says), told);
    let words = [said.unwrap_or_default(), known.unwrap_or_default()];
    let words: Vec<String> = words.into_iter().filter(|text| !text.is_empty()).collect();
    words.join("; ")
}

/// Asks until the cause is known, or nobody knows more; only once of a pod that has not `joined`, which will be tried again.
async fn how_it_ended(
    kubectl: &Kubectl,
    pod: &str,
    joined: &AtomicBool,
    known: &mut Option<String>,
) {
    let arguments = ["get", "pod", pod, "--ignore-not-found", "--output=json"];
    // Whoever can't be asked knows nothing.
    while let Ok(text) = kubectl.ask(&arguments).await {
        if text.trim().is_empty() {
            known.get_or_insert_with(|| "the pod is not there any more".to_owned());
            return;
        }
        let pod: Option<Pod> = serde_json::from_str(&text).ok();
        if let Some(ending) = pod.as_ref().and_then(ending) {
            *known = Some(ending.text);
            if ending.is_cause {
                return;
            }
        }
        if !joined.load(Relaxed) {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How a load pod ends, which only its stream should bring about.
fn ending(pod: &Pod) -> Option<Ending> {
    let leaves = || {
        state::is_leaving(pod).then(|| Ending {
            text: "it was deleted or evicted".to_owned(),
            is_cause: false,
        })
    };
    state::ending(pod).or_else(leaves)
}

/// The load pods that the driver is attached to.
pub(super) struct Pods {
    /// The way of the driver's own requests.
    pub(super) gateway: Gateway,
    /// In the order of their numbers.
    names: Vec<String>,
    lines: Vec<Line>,
    attached: Vec<Attached>,
    /// Since when one of them is not as it should be.
    lost_since: Option<Instant>,
}

/// The one of these pods whose end tells most: where one ends, the Job ends the others.
fn lost(names: &[String], pods: &[Pod]) -> Option<(usize, Ending)> {
    let ended = names.iter().enumerate().filter_map(|(index, name)| {
        let pod = pods.iter().find(|pod| state::name(pod) == name);
        let gone = || Ending {
            text: "it was deleted or evicted, which nobody of this run asked for".to_owned(),
            is_cause: false,
        };
        let ending = pod.map_or_else(|| Some(gone()), ending)?;
        let was_sent_away = pod.is_none_or(state::is_leaving);
        Some((index, was_sent_away, ending))
    });
    let most = ended.min_by_key(|(_, was_sent_away, ending)| (!ending.is_cause, *was_sent_away));
    most.map(|(index, _, ending)| (index, ending))
}

impl Pods {
    async fn open(
        names: Vec<String>,
        lines: Vec<Line>,
        attached: Vec<Attached>,
    ) -> Result<Self, Error> {
        // One is enough for what little the driver asks.
        let gateway = Gateway::open(Asks::Pod(lines[0].clone())).await;
        Ok(Self {
            gateway: gateway.map_err(Error::Gateway)?,
            names,
            lines,
            attached,
            lost_since: None,
        })
    }

    /// Whether one of them has ended, as a look at the cluster shows: with the Job goes all that the run has made, so that
    /// nothing is missed for a reason of its own. Beside it what is to be told.
    pub(super) fn follow(&mut self, pods: &[Pod]) -> (bool, Option<Failure>) {
        let Some((index, ending)) = lost(&self.names, pods) else {
            self.lost_since = None;
            return (false, None);
        };
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        let tells = ending.is_cause || since.elapsed() > UNEXPLAINED_FOR;
        let failure = tells.then(|| Failure {
            service: format!("load pod {index}"),
            text: ending.text,
        });
        (true, failure)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, more: &Value) -> Pod {
        let mut metadata = json!({ "name": name, "labels": { "app": APP } });
        if more["leaving"] == true {
            metadata["deletionTimestamp"] = "2026-11-25T08:00:00Z".into();
        }
        let mut status = json!({ "phase": more["phase"].as_str().unwrap_or("Running") });
        if let Some(reason) = more["ended"].as_str() {
            status["containerStatuses"] = json!([{ "name": APP, "image": "lab", "imageID": "",
                "ready": false, "restartCount": 0,
                "state": { "terminated": { "exitCode": more["code"], "reason": reason } } }]);
        }
        serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap()
    }

    #[test]
    fn the_pod_that_ended_first_is_told_and_not_those_that_the_job_ends_then() {
        let names = ["load-0", "load-1", "load-2"].map(str::to_owned);
        let lost = |pods: &[Pod]| lost(&names, pods).map(|(index, ending)| (index, ending.text));
        let runs = |name: &str| pod(name, &json!({}));
        assert_eq!(lost(&names.each_ref().map(|name| runs(name))), None);
        let killed = json!({ "phase": "Failed", "ended": "OOMKilled", "code": 137 });
        let crashed = json!({ "phase": "Failed", "ended": "Error", "code": 101 });
        let leaving = json!({ "leaving": true });
        for (why, word) in [(killed, "OOMKilled"), (crashed, "exit code 101")] {
            let pods = [pod("load-0", &leaving), pod("load-1", &why)];
            let (index, text) = lost(&pods).unwrap();
            assert_eq!(index, 1, "{text}");
            assert!(text.contains(word), "{text}");
        }
        let (index, text) = lost(&[]).unwrap();
        assert_eq!(index, 0);
        assert!(text.contains("deleted or evicted"), "{text}");
    }
}
