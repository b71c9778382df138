//! The task that follows a run's pods: publishes those that are ready, tells what the autoscaler decides
//! and what breaks, and removes everything in the end.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use lab_remote::Fleet;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    ClusterPlatform, Error,
    claim::{Claim, Holder},
    kubectl::Kubectl,
    load::{self, Job, Pods},
    members::{Members, News},
    objects::{self, Manifests},
    reader::Reader,
    removal::{self, GONE_WITHIN, Leftover},
    state::{self, Scaling},
};
use crate::platform::{
    ApiSpec, Change, Command, Decision, Endpoint, Failure, Leaving, Load, Replica, ReplicaEvent,
    Stack, StackControl, StackSpec, Targets, listed::Listed, unexplained,
};
use crate::{http, secret};

mod readiness;

/// Time between two looks at the pods.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For a pod to crash when it is told to.
const CRASHES_WITHIN: Duration = Duration::from_secs(2);

/// An API server that is silent for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);

struct Supervisor {
    kubectl: Kubectl,
    reader: Reader,
    pods: Pods,
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
    /// The same for the load pods, by their addresses in the cluster.
    direct: watch::Sender<Targets>,
    replicas: watch::Sender<Vec<Replica>>,
    leaving: watch::Sender<Leaving>,
    /// Replicas that were told to leave and that those who send requests still know of.
    listed: Listed,
    /// Tells of each step of the pods, once they are being replaced.
    watched: Watch,
    failures: mpsc::UnboundedSender<Failure>,
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
    let manifests = manifests(platform, &holder)?;
    let items = manifests.of(spec)?;
    let (staying, mut owned): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|item| item["kind"] == "Service");
    let (reader, claim) = cleared(platform, &manifests, &holder, leftover).await?;
    apply(&kubectl, &staying).await?;
    let job = Job::create(&kubectl, &manifests, &spec.load).await?;
    claim.belongs_to(job.owner());
    for item in &mut owned {
        job.own(item);
    }
    apply(&kubectl, &owned).await?;
    let (fleet, pods) = job.join(&kubectl, &reader.api).await?;

    let (direct, direct_seen) = watch::channel(Targets::default());
    let (targets, targets_seen) = watch::channel(Targets::default());
    let (replicas, replicas_seen) = watch::channel(Vec::new());
    let (leaving, leaving_seen) = watch::channel(Leaving::default());
    let (failures, failures_seen) = mpsc::unbounded_channel();
    let (events, events_seen) = mpsc::unbounded_channel();
    let (decisions, decided) = mpsc::unbounded_channel();
    let (commands, commands_given) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor {
        pods,
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
        direct,
        replicas,
        leaving,
        listed: Listed::default(),
        watched: Watch::default(),
        failures,
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
        load: Load::Pods {
            fleet,
            targets: direct_seen,
        },
        targets: targets_seen,
        replicas: replicas_seen,
        leaving: leaving_seen,
        found: None,
        failures: failures_seen,
        events: events_seen,
        decisions: spec.is_autoscaled().then_some(decided),
        control: StackControl { commands },
    })
}

/// The load pods alone, in a namespace that has nothing else of a run.
pub(super) async fn load_pods(
    platform: &ClusterPlatform,
    spec: &StackSpec,
    leftover: &mut Leftover,
) -> Result<(Fleet, Pods, Claim), Error> {
    let holder = Holder::of(spec);
    let manifests = manifests(platform, &holder)?;
    let (reader, claim) = cleared(platform, &manifests, &holder, leftover).await?;
    let job = Job::create(&platform.kubectl, &manifests, &spec.load).await?;
    claim.belongs_to(job.owner());
    let joined = job.join(&platform.kubectl, &reader.api).await;
    reader.end().await;
    let (fleet, pods) = joined?;
    Ok((fleet, pods, claim))
}

fn manifests<'a>(
    platform: &'a ClusterPlatform,
    holder: &'a Holder,
) -> Result<Manifests<'a>, Error> {
    Ok(Manifests {
        root: &platform.root,
        namespace: &platform.kubectl.site.namespace,
        run: &holder.run,
        image: platform.image.as_deref(),
        passwords: [password()?, password()?],
    })
}

/// A namespace that is this run's and has nothing of earlier ones but the Services.
async fn cleared(
    platform: &ClusterPlatform,
    manifests: &Manifests<'_>,
    holder: &Holder,
    leftover: &mut Leftover,
) -> Result<(Reader, Claim), Error> {
    let kubectl = &platform.kubectl;
    let reader = Reader::start(kubectl).await?;
    if !reader.api.has_namespace().await? {
        apply(kubectl, &manifests.namespace()?).await?;
    }
    let claim = Claim::take(&reader.api, &kubectl.site, holder).await?;
    leftover.expect(kubectl, &holder.run);
    none_of_earlier_runs(kubectl, &reader).await?;
    Ok((reader, claim))
}

fn password() -> Result<String, Error> {
    secret::password().map_err(Error::Password)
}

async fn apply(kubectl: &Kubectl, items: &[Value]) -> Result<(), Error> {
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

/// All pods of the run, as often as one has changed; nothing where nobody watches.
#[derive(Default)]
struct Watch(Option<mpsc::UnboundedReceiver<Result<Vec<Pod>, Error>>>);

impl Watch {
    /// After the next change.
    async fn next(&mut self) -> Result<Vec<Pod>, Error> {
        let told = match &mut self.0 {
            Some(watch) => watch.recv().await,
            None => None,
        };
        match told {
            Some(pods) => pods,
            None => pending().await,
        }
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
            let meanwhile = scaling
                .lacks_a_request
                .then(|| unexplained(scaling.desired));
            self.decide(scaling.desired, sentence, meanwhile);
        }
        self.scaling = scaling;
        Ok(())
    }

    fn decide(&self, desired: u32, sentence: String, meanwhile: Option<String>) {
        let decision = Decision {
            desired,
            sentence,
            meanwhile,
        };
        // Nobody has to listen; the same holds for failures and events.
        let _ = self.decisions.send(decision);
    }

    /// Follows the stack until it is stopped, or nobody can stop it any more.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lost = false;
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    // The cluster's own autoscaler has done it.
                    Some(Command::ScaleApi(_)) => {}
                    Some(Command::RollApi) => self.begin_roll().await,
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
                other = self.claim.lost(), if !lost => {
                    lost = true;
                    let namespace = &self.kubectl.site.namespace;
                    let text = format!("{other}, has taken the namespace {namespace}, which this run could not hold");
                    self.report("the cluster".to_owned(), text);
                }
                _ = looks.tick() => self.look().await,
                pods = self.watched.next() => self.hear(pods),
                () = self.listed.next_goes() => self.publish(),
            }
        }
    }

    /// Orders the oldest replica that is ready to end as a crash would end it; the kubelet restarts its container.
    async fn crash_api(&mut self) {
        let Some((name, endpoint)) = self.members.kill() else {
            return;
        };
        self.publish();
        self.tell(&name, Change::Killed);
        let Some(pod) = endpoint.map(|endpoint| self.pods.gateway.to(&endpoint)) else {
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

    /// Has every replica of the api replaced, by the cluster's own controller.
    async fn begin_roll(&mut self) {
        let api = self.spec.api.as_ref();
        let Some(roll) = api.and_then(|api| api.roll.as_ref()) else {
            return;
        };
        self.members.replace(roll.rollout.grace);
        self.watched = Watch(Some(self.reader.api.watch(self.own.clone())));
        if let Err(error) = self.reader.api.restart().await {
            self.report("the cluster".to_owned(), lab_say::reason(&error));
        }
    }

    /// What the watch tells.
    fn hear(&mut self, pods: Result<Vec<Pod>, Error>) {
        match pods {
            Ok(mut pods) => {
                pods.retain(|pod| state::app(pod) != load::APP);
                let news = self.follow(&pods, self.scaling.desired);
                self.report_all(news.failures);
            }
            Err(error) => self.report("the cluster".to_owned(), lab_say::reason(&error)),
        }
    }

    async fn look(&mut self) {
        let asked = *self.owing_since.get_or_insert_with(Instant::now);
        match self.reader.api.pods(&self.own).await {
            Ok(pods) => {
                self.owing_since = None;
                let is_load = |pod: &Pod| state::app(pod) == load::APP;
                let (load, pods): (Vec<Pod>, Vec<Pod>) = pods.into_iter().partition(is_load);
                let (lost, failure) = self.pods.follow(&load);
                if lost {
                    self.report_all(failure);
                    return;
                }
                // Of two that tell, this one knows less and may be behind.
                if self.watched.0.is_some() {
                    return;
                }
                let wanted = if self.is_autoscaled() {
                    // One look that fails is made up for by the next.
                    let _ = self.look_at_autoscaler().await;
                    // Pods go after this number falls, and before the autoscaler says so.
                    self.reader.api.wanted_replicas().await.ok()
                } else {
                    None
                };
                let news = self.follow(&pods, wanted.unwrap_or(self.scaling.desired));
                self.report_all(news.failures);
            }
            Err(error) if asked.elapsed() > SILENT_FOR => {
                self.report("the cluster".to_owned(), lab_say::reason(&error));
            }
            Err(_) => {}
        }
    }

    /// The pods of the services.
    async fn service_pods(&self) -> Result<Vec<Pod>, Error> {
        let mut pods = self.reader.api.pods(&self.own).await?;
        pods.retain(|pod| state::app(pod) != load::APP);
        Ok(pods)
    }

    /// Books what has changed with the pods; what of it is wrong is for the caller to tell.
    fn follow(&mut self, pods: &[Pod], replicas: u32) -> News {
        let wanted = |app: &str| if app == "api" { replicas as usize } else { 1 };
        let news = self.members.follow(pods, wanted);
        let api = self.spec.api.as_ref();
        let roll = api.and_then(|api| api.roll.as_ref());
        for (name, change) in &news.changes {
            if let (Change::Told, Some(roll)) = (change, roll)
                && let Some(replica) = self.members.served_at(name)
            {
                self.listed.keep(replica, roll.listed_for);
            }
            self.leaving.send_modify(|leaving| leaving.book(*change));
        }
        self.publish();
        for (name, change) in &news.changes {
            self.tell(name, *change);
        }
        news
    }

    async fn shut_down(mut self) -> Result<(), Error> {
        self.members.clear();
        self.listed = Listed::default();
        self.publish();
        self.pods.end().await;
        // Nobody renews what is about to be removed.
        drop(self.claim);
        let removed = self.leftover.remove().await;
        self.reader.end().await;
        removed
    }

    fn publish(&mut self) {
        let gateway = &self.pods.gateway;
        let mut direct = self.members.targets();
        direct.api.splice(0..0, self.listed.endpoints());
        let behind = |endpoints: &[Endpoint]| endpoints.iter().map(|to| gateway.to(to)).collect();
        let targets = Targets {
            api: behind(&direct.api),
            worker: behind(&direct.worker),
            dep: behind(&direct.dep),
            auditor: behind(&direct.auditor),
        };
        for (published, now) in [(&self.direct, direct), (&self.targets, targets)] {
            published.send_if_modified(|published| {
                let changed = *published != now;
                *published = now;
                changed
            });
        }
        let replicas = self.members.replicas(|endpoint| gateway.to(endpoint));
        self.replicas.send_replace(replicas);
        let now = self.members.leaving("api");
        self.leaving.send_modify(|leaving| leaving.now = now);
    }

    fn report_all(&self, failures: impl IntoIterator<Item = Failure>) {
        for failure in failures {
            self.report(failure.service, failure.text);
        }
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
