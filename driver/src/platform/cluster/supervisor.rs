//! The task that follows a run's pods: publishes those that are ready, tells what the autoscaler decides
//! and what breaks, and removes everything in the end.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
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
    ClusterPlatform, Error, Leftover,
    kubectl::Kubectl,
    load::{self, Job, Pods},
    objects::Manifests,
    reader::Reader,
    removal,
    state::{self, Scaling},
};
use crate::platform::{
    ApiSpec, Change, Command, Decision, Endpoint, Failure, Load, Replica, ReplicaEvent, Stack,
    StackControl, StackSpec, Targets,
};
use crate::{http, secret};

/// Time between two looks at the pods.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For all pods to be ready, images being there.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// A reason not to get ready counts when it has lasted this long: a node gets room when old pods go.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// For the pods of the run before to go.
const GONE_WITHIN: Duration = Duration::from_mins(1);

/// For the first figures of CPU use: metrics-server looks every 15 s and needs two looks.
const MEASURED_WITHIN: Duration = Duration::from_secs(90);

/// For the autoscaler's first computation after that; its default period is 15 s.
const LOOKED_WITHIN: Duration = Duration::from_secs(20);

/// For a pod to crash when it is told to.
const CRASHES_WITHIN: Duration = Duration::from_secs(2);

/// For the first request to get through to a pod that is ready: its address may be new to the network.
const REACHES_WITHIN: Duration = Duration::from_secs(15);

/// Between two attempts at that.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// An API server that is silent for this long is gone.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// One pod of the run.
struct Member {
    app: String,
    /// Where it listens, once it has an address.
    address: Option<SocketAddr>,
    created: Instant,
    ready_since: Option<Instant>,
    stuck_since: Option<Instant>,
    leaving: bool,
    /// How often this run has killed its container, which the kubelet then restarts.
    crashes: i32,
}

impl Member {
    /// Where it takes requests, in the cluster.
    fn endpoint(&self) -> Option<Endpoint> {
        self.address.map(Endpoint::from)
    }
}

struct Supervisor {
    kubectl: Kubectl,
    reader: Reader,
    pods: Pods,
    http: reqwest::Client,
    spec: StackSpec,
    members: BTreeMap<String, Member>,
    scaling: Scaling,
    answered: Instant,
    targets: watch::Sender<Targets>,
    /// The same for the load pods, by their addresses in the cluster.
    direct: watch::Sender<Targets>,
    replicas: watch::Sender<Vec<Replica>>,
    failures: mpsc::UnboundedSender<Failure>,
    events: mpsc::UnboundedSender<ReplicaEvent>,
    decisions: mpsc::UnboundedSender<Decision>,
    leftover: Leftover,
}

/// Makes the objects of `spec`; done when every pod is ready and reached, and, where there is an
/// autoscaler, when it has figures to work with.
pub(super) async fn start(
    platform: &ClusterPlatform,
    spec: &StackSpec,
    leftover: &mut Leftover,
) -> Result<Stack, Error> {
    let manifests = Manifests {
        root: &platform.root,
        image: platform.image.as_deref(),
        passwords: [password()?, password()?],
    };
    let items = manifests.of(spec)?;
    let kubectl = platform.kubectl.clone();
    let reader = cleared(&kubectl).await?;
    let (staying, mut owned): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|item| item["kind"] == "Namespace" || item["kind"] == "Service");
    apply(&kubectl, &staying).await?;
    let job = Job::create(&kubectl, &manifests, &spec.load).await?;
    for item in &mut owned {
        job.own(item);
    }
    apply(&kubectl, &owned).await?;
    let (fleet, pods) = job.join(&kubectl, &reader).await?;

    let (direct, direct_seen) = watch::channel(Targets::default());
    let (targets, targets_seen) = watch::channel(Targets::default());
    let (replicas, replicas_seen) = watch::channel(Vec::new());
    let (failures, failures_seen) = mpsc::unbounded_channel();
    let (events, events_seen) = mpsc::unbounded_channel();
    let (decisions, decided) = mpsc::unbounded_channel();
    let (commands, commands_given) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor {
        pods,
        http: http::client(),
        kubectl,
        reader,
        spec: spec.clone(),
        members: BTreeMap::new(),
        scaling: Scaling {
            desired: spec.api.as_ref().map_or(0, |api| api.replicas),
            ..Scaling::default()
        },
        answered: Instant::now(),
        targets,
        direct,
        replicas,
        failures,
        events,
        decisions,
        leftover: leftover.hand_over(),
    };
    supervisor.all_ready().await?;
    supervisor.pods.look_at_floor();
    supervisor.all_reached().await?;
    supervisor.runs_this_code(&platform.root).await?;
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
        failures: failures_seen,
        events: events_seen,
        decisions: spec.is_autoscaled().then_some(decided),
        control: StackControl { commands },
    })
}

/// The load pods alone, of a cluster that has nothing else of a run.
pub(super) async fn load_pods(
    platform: &ClusterPlatform,
    spec: &StackSpec,
) -> Result<(Fleet, Pods), Error> {
    let manifests = Manifests {
        root: &platform.root,
        image: platform.image.as_deref(),
        passwords: Default::default(),
    };
    let kubectl = &platform.kubectl;
    let reader = cleared(kubectl).await?;
    apply(kubectl, &manifests.namespace()?).await?;
    let job = Job::create(kubectl, &manifests, &spec.load).await?;
    let joined = job.join(kubectl, &reader).await;
    reader.end().await;
    joined
}

/// Removes what the run before has left, down to its last pod.
async fn cleared(kubectl: &Kubectl) -> Result<Reader, Error> {
    remove(kubectl, true).await?;
    let reader = Reader::start(kubectl).await?;
    let deadline = Instant::now() + GONE_WITHIN;
    // Before the first run there is no namespace, and the list is empty.
    while !reader.pods().await?.is_empty() {
        if Instant::now() > deadline {
            return Err(Error::Leftovers);
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(reader)
}

async fn apply(kubectl: &Kubectl, items: &[Value]) -> Result<(), Error> {
    if items.is_empty() {
        return Ok(());
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    let arguments = ["apply", "--filename=-"];
    kubectl
        .run(&arguments, Some(list.as_bytes()), GONE_WITHIN)
        .await?;
    Ok(())
}

fn password() -> Result<String, Error> {
    secret::password().map_err(Error::Password)
}

pub(super) async fn remove(kubectl: &Kubectl, wait: bool) -> Result<(), Error> {
    let arguments = removal(wait);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    kubectl
        .run(&arguments, None, GONE_WITHIN + Duration::from_secs(10))
        .await?;
    Ok(())
}

impl Supervisor {
    fn is_autoscaled(&self) -> bool {
        self.spec.is_autoscaled()
    }

    async fn all_ready(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let pods = self.service_pods().await?;
            for pod in &pods {
                self.not_stuck(pod)?;
            }
            self.follow(&pods);
            let missing = self.missing();
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::Late {
                    missing: missing.join(", "),
                    within: READY_WITHIN,
                });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The pods of the services; those of the load are known by their streams.
    async fn service_pods(&self) -> Result<Vec<Pod>, Error> {
        let mut pods = self.reader.pods().await?;
        pods.retain(|pod| state::app(pod) != load::APP);
        Ok(pods)
    }

    /// The driver can do nothing with pods that it does not get to.
    async fn all_reached(&self) -> Result<(), Error> {
        let reached = |name: String, pod: Endpoint| async move {
            let deadline = Instant::now() + REACHES_WITHIN;
            loop {
                let request = self.http.get(format!("{pod}/readyz"));
                let text = match request.timeout(REACHES_WITHIN).send().await {
                    Ok(answer) if answer.status().is_success() => return Ok(()),
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                if Instant::now() > deadline {
                    return Err(Error::Unreached { pod: name, text });
                }
                sleep(AGAIN_AFTER).await;
            }
        };
        for (name, member) in &self.members {
            if let Some(endpoint) = member.endpoint().filter(|_| member.app != "postgres") {
                reached(name.clone(), self.pods.gateway.to(&endpoint)).await?;
            }
        }
        Ok(())
    }

    /// Services that are not all there yet.
    fn missing(&self) -> Vec<&'static str> {
        let api = self.spec.api.as_ref();
        let database = u32::from(api.is_some_and(|api| api.database));
        let wanted = [
            ("dep", 1),
            ("worker", u32::from(self.spec.worker.is_some())),
            ("api", api.map_or(0, |api| api.replicas)),
            ("postgres", database),
            ("auditor", database),
        ];
        let ready = |app: &str| {
            let there = self
                .members
                .values()
                .filter(|member| member.app == app && member.ready_since.is_some());
            there.count() as u32
        };
        wanted
            .into_iter()
            .filter(|(app, count)| ready(app) < *count)
            .map(|(app, _)| app)
            .collect()
    }

    fn not_stuck(&mut self, pod: &Pod) -> Result<(), Error> {
        let Some(member) = self.members.get_mut(state::name(pod)) else {
            return Ok(());
        };
        let Some(text) = state::stuck(pod) else {
            member.stuck_since = None;
            return Ok(());
        };
        let since = *member.stuck_since.get_or_insert_with(Instant::now);
        if since.elapsed() < STUCK_AFTER {
            return Ok(());
        }
        Err(Error::Stuck {
            pod: state::name(pod).to_owned(),
            text,
        })
    }

    /// The image must have been built from the files that the report will show.
    async fn runs_this_code(&self, root: &std::path::Path) -> Result<(), Error> {
        let targets = self.targets.borrow().clone();
        let asked = targets.worker.first().or(targets.api.first());
        let (Some(pod), "mine") = (asked, self.spec.code.as_str()) else {
            return Ok(());
        };
        let path = "debug/code";
        let answer = self.http.get(format!("{pod}/{path}")).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let files = match answer {
            Ok(answer) => answer.json::<BTreeMap<String, String>>().await,
            Err(error) => Err(error),
        };
        let files = files.map_err(|source| Error::Api {
            path: path.to_owned(),
            source,
        })?;
        for (file, text) in files {
            if std::fs::read_to_string(root.join(&file)).ok().as_ref() != Some(&text) {
                return Err(Error::OtherCode { file });
            }
        }
        Ok(())
    }

    /// Waits until the autoscaler has figures and has looked at them: what comes before that is a new
    /// cluster's start-up, which no scenario is about.
    async fn autoscaler_sees(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + MEASURED_WITHIN;
        let pods = self.members.len();
        while self.reader.measured_pods().await.unwrap_or(0) < pods {
            if Instant::now() > deadline {
                return Err(Error::NoMetrics);
            }
            sleep(LOOK_EVERY).await;
        }
        let deadline = Instant::now() + LOOKED_WITHIN;
        // A starter's autoscaler never gets active, and that is what the run will show.
        while !self.look_at_autoscaler().await?.active && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn look_at_autoscaler(&mut self) -> Result<Scaling, Error> {
        let scaling = Scaling::of(&self.reader.autoscaler().await?, self.scaling.desired);
        if let Some(sentence) = scaling.news(&self.scaling) {
            let _ = self.decisions.send(Decision {
                desired: scaling.desired,
                sentence,
            });
        }
        self.scaling = scaling.clone();
        Ok(scaling)
    }

    /// Follows the stack until it is stopped, or nobody can stop it any more.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                _ = looks.tick() => self.look().await,
            }
        }
    }

    fn crashes(&self, pod: &str) -> i32 {
        self.members.get(pod).map_or(0, |member| member.crashes)
    }

    /// Orders the oldest replica that is ready to end as a crash would end it; the kubelet restarts its container.
    async fn crash_api(&mut self) {
        let serving = self
            .members
            .iter_mut()
            .filter(|(_, member)| member.app == "api" && member.ready_since.is_some())
            .min_by_key(|(_, member)| member.created);
        let Some((name, member)) = serving else {
            return;
        };
        let name = name.clone();
        member.ready_since = None;
        member.crashes += 1;
        self.publish();
        self.tell(&name, Change::Killed);
        let endpoint = self.members.get(&name).and_then(Member::endpoint);
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

    async fn look(&mut self) {
        match self.service_pods().await {
            Ok(pods) => {
                self.answered = Instant::now();
                if self.is_autoscaled() {
                    // One look that fails is made up for by the next.
                    let _ = self.look_at_autoscaler().await;
                }
                for pod in &pods {
                    if let Some(text) = state::broken(pod)
                        && state::restarts(pod) > self.crashes(state::name(pod))
                    {
                        self.report(state::name(pod).to_owned(), text);
                    }
                }
                self.follow(&pods);
            }
            Err(error) if self.answered.elapsed() > SILENT_FOR => {
                self.report("the cluster".to_owned(), error.to_string());
            }
            Err(_) => {}
        }
    }

    /// Books what has changed with the pods.
    fn follow(&mut self, pods: &[Pod]) {
        for pod in pods {
            let name = state::name(pod);
            if !self.members.contains_key(name) {
                if state::is_leaving(pod) {
                    continue;
                }
                self.admit(name, state::app(pod));
            }
            if state::is_leaving(pod) {
                self.leave(name);
            } else if state::is_ready(pod) && state::restarts(pod) >= self.crashes(name) {
                self.ready(name, state::address(pod));
            }
        }
        let there = |name: &str| pods.iter().any(|pod| state::name(pod) == name);
        let gone: Vec<String> = self
            .members
            .keys()
            .filter(|name| !there(name))
            .cloned()
            .collect();
        for name in gone {
            self.leave(&name);
            self.members.remove(&name);
        }
        self.publish();
    }

    fn admit(&mut self, name: &str, app: &str) {
        let member = Member {
            app: app.to_owned(),
            address: None,
            created: Instant::now(),
            ready_since: None,
            stuck_since: None,
            leaving: false,
            crashes: 0,
        };
        self.members.insert(name.to_owned(), member);
        self.tell(name, Change::Started);
    }

    fn ready(&mut self, name: &str, address: Option<SocketAddr>) {
        let Some(member) = self.members.get_mut(name) else {
            return;
        };
        if member.ready_since.is_none() {
            member.ready_since = Some(Instant::now());
            member.address = address;
            self.tell(name, Change::Ready);
        }
    }

    /// A pod that goes takes no new requests; it still answers those under way.
    fn leave(&mut self, name: &str) {
        let Some(member) = self.members.get_mut(name) else {
            return;
        };
        if member.leaving {
            return;
        }
        member.leaving = true;
        let app = member.app.clone();
        self.tell(name, Change::Stopped);
        self.publish();
        let left = self
            .members
            .values()
            .filter(|member| member.app == app && !member.leaving)
            .count();
        let wanted = if app == "api" {
            self.scaling.desired as usize
        } else {
            1
        };
        if left < wanted {
            let text = "it was deleted or evicted, which nobody of this run asked for";
            self.report(name.to_owned(), text.to_owned());
        }
    }

    async fn shut_down(mut self) -> Result<(), Error> {
        self.members.clear();
        self.publish();
        self.pods.end().await;
        let removed = remove(&self.kubectl, false).await;
        if removed.is_ok() {
            self.leftover.0 = None;
        }
        self.reader.end().await;
        removed
    }

    fn publish(&self) {
        let of = |app: &str| {
            let mut members: Vec<_> = self
                .members
                .iter()
                .filter(|(_, member)| member.app == app && !member.leaving)
                .filter_map(|(_, member)| Some((member.ready_since?, member.endpoint()?)))
                .collect();
            members.sort();
            members.into_iter().map(|(_, endpoint)| endpoint).collect()
        };
        let direct = Targets {
            api: of("api"),
            worker: of("worker"),
            dep: of("dep"),
            auditor: of("auditor"),
        };
        let behind = |endpoints: &[Endpoint]| {
            let behind = endpoints
                .iter()
                .map(|endpoint| self.pods.gateway.to(endpoint));
            behind.collect()
        };
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
        let mut replicas: Vec<Replica> = self
            .members
            .iter()
            .filter(|(_, member)| member.app == "api" && !member.leaving)
            .map(|(name, member)| Replica {
                name: name.clone(),
                endpoint: member
                    .ready_since
                    .and_then(|_| Some(self.pods.gateway.to(&member.endpoint()?))),
                created: member.created,
                ready_since: member.ready_since,
            })
            .collect();
        replicas.sort_by_key(|replica| replica.created);
        self.replicas.send_replace(replicas);
    }

    fn report(&self, service: String, text: String) {
        // Nobody has to listen; the same holds for the events.
        let _ = self.failures.send(Failure { service, text });
    }

    fn tell(&self, name: &str, change: Change) {
        if self
            .members
            .get(name)
            .is_none_or(|member| member.app != "api")
        {
            return;
        }
        let _ = self.events.send(ReplicaEvent {
            at: Instant::now(),
            replica: name.to_owned(),
            change,
        });
    }
}
