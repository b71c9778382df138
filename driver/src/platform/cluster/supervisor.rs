//! The task that follows a run's pods: publishes those that are ready, tells what the autoscaler decides
//! and what breaks, and removes everything in the end.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    ClusterPlatform, Error,
    claim::{Claim, Holder},
    gate::Gate,
    kubectl::Kubectl,
    members::{Members, News},
    objects::{self, Manifests},
    reader::Reader,
    removal::{self, GONE_WITHIN, Leftover},
    state::Scaling,
};
use crate::platform::{
    ApiSpec, Change, Command, Decision, Endpoint, Failure, Replica, ReplicaEvent, Silence, Stack,
    StackControl, StackSpec, Targets,
};
use crate::{http, secret};

mod readiness;

/// Time between two looks at the pods.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For a pod to crash when it is told to.
const CRASHES_WITHIN: Duration = Duration::from_secs(2);

/// An API server that is silent for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// A look that takes longer than this stalled: requests have the same way. Some milliseconds are usual.
const STALLED_FROM: Duration = Duration::from_millis(500);

struct Supervisor {
    kubectl: Kubectl,
    reader: Reader,
    gate: Gate,
    claim: Claim,
    /// Selects the pods of this run.
    own: String,
    http: reqwest::Client,
    spec: StackSpec,
    members: Members,
    scaling: Scaling,
    /// Since when the API server owes an answer.
    owing_since: Option<Instant>,
    targets: watch::Sender<Targets>,
    replicas: watch::Sender<Vec<Replica>>,
    failures: mpsc::UnboundedSender<Failure>,
    silences: mpsc::UnboundedSender<Silence>,
    events: mpsc::UnboundedSender<ReplicaEvent>,
    decisions: mpsc::UnboundedSender<Decision>,
    leftover: Leftover,
}

/// Makes the objects of `spec`; done when every pod is ready and reached, when each reaches those that it needs, and,
/// where there is an autoscaler, when it has figures to work with or will never have any.
pub(super) async fn start(
    platform: &ClusterPlatform,
    spec: &StackSpec,
    leftover: &mut Leftover,
) -> Result<Stack, Error> {
    let kubectl = platform.kubectl.clone();
    let holder = Holder::of(spec);
    let manifests = Manifests {
        root: &platform.root,
        namespace: &kubectl.site.namespace,
        run: &holder.run,
        image: kubectl.site.image.as_deref(),
        passwords: [password()?, password()?],
    };
    let (namespace, items) = (manifests.namespace()?, manifests.of(spec)?);
    let reader = Reader::start(&kubectl).await?;
    if !reader.api.has_namespace().await? {
        apply(&kubectl, &namespace).await?;
    }
    let claim = Claim::take(&reader.api, &kubectl.site, &holder).await?;
    leftover.expect(&kubectl, &holder.run);
    none_of_earlier_runs(&kubectl, &reader).await?;
    apply(&kubectl, &items).await?;

    let (targets, targets_seen) = watch::channel(Targets::default());
    let (replicas, replicas_seen) = watch::channel(Vec::new());
    let (failures, failures_seen) = mpsc::unbounded_channel();
    let (silences, silences_seen) = mpsc::unbounded_channel();
    let (events, events_seen) = mpsc::unbounded_channel();
    let (decisions, decided) = mpsc::unbounded_channel();
    let (commands, commands_given) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor {
        gate: Gate::open(&kubectl).await?,
        claim,
        own: objects::of_run(&holder.run),
        http: http::client(),
        kubectl,
        reader,
        spec: spec.clone(),
        members: Members::default(),
        scaling: Scaling {
            desired: spec.api.as_ref().map_or(0, |api| api.replicas),
            ..Scaling::default()
        },
        owing_since: None,
        targets,
        replicas,
        failures,
        silences,
        events,
        decisions,
        leftover: leftover.hand_over(),
    };
    supervisor.all_ready().await?;
    supervisor.all_reached().await?;
    supervisor.runs_this_code(&platform.root).await?;
    supervisor.all_reach_each_other().await?;
    let has_pods = |api: &ApiSpec| api.replicas > 0;
    if supervisor.is_autoscaled() && spec.api.as_ref().is_some_and(has_pods) {
        supervisor.autoscaler_sees().await?;
    }
    tokio::spawn(supervisor.run(commands_given));
    Ok(Stack {
        targets: targets_seen,
        replicas: replicas_seen,
        failures: failures_seen,
        silences: silences_seen,
        events: events_seen,
        decisions: spec.is_autoscaled().then_some(decided),
        control: StackControl { commands },
    })
}

fn password() -> Result<String, Error> {
    secret::password().map_err(Error::Password)
}

async fn apply(kubectl: &Kubectl, items: &[serde_json::Value]) -> Result<(), Error> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    let arguments = ["apply", "--filename=-"];
    kubectl
        .run(&arguments, Some(list.as_bytes()), GONE_WITHIN)
        .await?;
    Ok(())
}

/// Removes what earlier runs have left, down to the last pod: a Service would lead to it, too.
async fn none_of_earlier_runs(kubectl: &Kubectl, reader: &Reader) -> Result<(), Error> {
    removal::of_earlier_runs(kubectl).await?;
    let deadline = Instant::now() + GONE_WITHIN;
    while !reader.api.pods(&objects::of_any_run()).await?.is_empty() {
        if Instant::now() > deadline {
            return Err(Error::Leftovers {
                look: kubectl.site.kubectl("get pods"),
                remove: kubectl.site.kubectl_delete(),
            });
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The services of a stack that are pods, with the port that each listens on; the database is reached
/// by the api alone.
fn port(app: &str) -> Option<u16> {
    match app {
        "api" => Some(8080),
        "worker" => Some(8081),
        "dep" => Some(8082),
        "auditor" => Some(8083),
        _ => None,
    }
}

impl Supervisor {
    fn is_autoscaled(&self) -> bool {
        self.spec.is_autoscaled()
    }

    async fn look_at_autoscaler(&mut self) -> Result<(), Error> {
        let hpa = self.reader.api.autoscaler().await?;
        let scaling = Scaling::of(&hpa, self.scaling.desired);
        if let Some(sentence) = scaling.news(&self.scaling) {
            self.decide(scaling.desired, sentence);
        }
        self.scaling = scaling;
        Ok(())
    }

    fn decide(&self, desired: u32, sentence: String) {
        // Nobody has to listen; the same holds for failures and events.
        let _ = self.decisions.send(Decision { desired, sentence });
    }

    /// Follows the stack until it is stopped, or nobody can stop it any more.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut closed, mut lost) = (false, false);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    // The cluster's own autoscaler has done it.
                    Some(Command::ScaleApi(_)) => {}
                    Some(Command::CrashApi) => self.crash_api().await,
                    Some(Command::Stop(done)) => {
                        let stopped = self.shut_down().await;
                        // Whoever asked may not wait for the answer.
                        let _ = done.send(stopped.map_err(Into::into));
                        return;
                    }
                    None => {
                        let _ = self.shut_down().await;
                        return;
                    }
                },
                text = self.gate.broken(), if !closed => {
                    closed = true;
                    self.report("the way to the pods".to_owned(), text);
                }
                other = self.claim.lost(), if !lost => {
                    lost = true;
                    let namespace = &self.kubectl.site.namespace;
                    let text = format!("{other}, has taken the namespace {namespace}, which this run could not hold");
                    self.report("the cluster".to_owned(), text);
                }
                _ = looks.tick() => self.look().await,
            }
        }
    }

    /// Orders the oldest replica that is ready to end as a crash would end it; the kubelet restarts its container.
    async fn crash_api(&mut self) {
        let Some(name) = self.members.kill() else {
            return;
        };
        self.publish();
        self.tell(&name, Change::Killed);
        let Some(pod) = self.endpoint(&name, "api") else {
            return;
        };
        let order = self.http.post(format!("{pod}/debug/crash"));
        // A pod that crashes as told gives no answer, or the API server says that it had none.
        let answer = order.timeout(CRASHES_WITHIN).send().await;
        let refused = answer
            .ok()
            .filter(|answer| answer.status().is_client_error());
        if let Some(refused) = refused {
            let text = format!("it does not crash as told: {}", refused.status());
            self.report(name, text);
        }
    }

    async fn look(&mut self) {
        let asked = *self.owing_since.get_or_insert_with(Instant::now);
        match self.reader.api.pods(&self.own).await {
            Ok(pods) => {
                self.answered();
                let wanted = if self.is_autoscaled() {
                    // One look that fails is made up for by the next.
                    let _ = self.look_at_autoscaler().await;
                    // Pods go after this number falls, and before the autoscaler says so.
                    self.reader.api.wanted_replicas().await.ok()
                } else {
                    None
                };
                let news = self.follow(&pods, wanted.unwrap_or(self.scaling.desired));
                for failure in news.failures {
                    self.report(failure.service, failure.text);
                }
            }
            Err(error) if asked.elapsed() > SILENT_FOR => {
                self.report("the cluster".to_owned(), error.to_string());
            }
            Err(_) => {}
        }
    }

    /// The API server has nothing to answer any more. Where that took long, requests through it did so, too, and
    /// nobody can say which part of their time was the services'.
    fn answered(&mut self) {
        let Some(from) = self.owing_since.take() else {
            return;
        };
        let to = Instant::now();
        if to - from > STALLED_FROM {
            // Nobody has to listen.
            let _ = self.silences.send(Silence {
                of: "the way through the API server".to_owned(),
                from,
                to,
            });
        }
    }

    /// Books what has changed with the pods; what of it is wrong is for the caller to tell.
    fn follow(&mut self, pods: &[k8s_openapi::api::core::v1::Pod], replicas: u32) -> News {
        let wanted = |app: &str| if app == "api" { replicas as usize } else { 1 };
        let news = self.members.follow(pods, wanted);
        self.publish();
        for (name, change) in &news.changes {
            self.tell(name, *change);
        }
        news
    }

    async fn shut_down(mut self) -> Result<(), Error> {
        self.answered();
        self.members.clear();
        self.publish();
        // Nobody renews what is about to be removed.
        drop(self.claim);
        let removed = self.leftover.remove().await;
        self.reader.end().await;
        removed
    }

    fn endpoint(&self, pod: &str, app: &str) -> Option<Endpoint> {
        Some(self.gate.to(pod, port(app)?))
    }

    fn publish(&self) {
        let targets = self.members.targets(|pod, app| self.endpoint(pod, app));
        self.targets.send_if_modified(|published| {
            let changed = *published != targets;
            *published = targets;
            changed
        });
        let replicas = self.members.replicas(|pod, app| self.endpoint(pod, app));
        self.replicas.send_replace(replicas);
    }

    fn report(&self, service: String, text: String) {
        let _ = self.failures.send(Failure { service, text });
    }

    fn tell(&self, name: &str, change: Change) {
        let _ = self.events.send(ReplicaEvent {
            at: Instant::now(),
            replica: name.to_owned(),
            change,
        });
    }
}
