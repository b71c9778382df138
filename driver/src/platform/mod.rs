//! Where the services run. A [`Platform`] starts a [`Stack`]: the services of one run, watched and
//! scaled over channels, so that the rest of the driver never knows how a platform does it.
//!
//! Nothing here sends load or measures.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    pin::Pin,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};

pub mod cluster;
mod gateway;
mod listed;
pub mod local;
pub mod target;

pub use lab_load::{Endpoint, Found, Targets};
use lab_remote::{Fleet, Line};

use lab_autoscale::manifest::{ManifestFile, Rollout};

/// Somewhere to run the services.
pub trait Platform: Send + Sync {
    /// Its name in reports: `local`, `k3d`, `kubernetes` for another cluster, or `target`.
    fn name(&self) -> &'static str;

    /// Versions of the programs of others that it runs, by their names.
    fn versions(&self) -> BTreeMap<String, String>;

    /// Who limits the api's CPU and scales it, for the report.
    fn scaling(&self) -> String;

    /// Whether the load is sent from this machine, and by this process.
    fn is_sent_from_here(&self) -> bool {
        true
    }

    /// Starts a fresh stack; done when every service of it is ready. Where one fails, the others
    /// are stopped before the error is returned.
    fn start<'a>(&'a self, spec: &'a StackSpec) -> Starting<'a>;
}

/// A stack on its way up.
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Stack, Error>> + Send + 'a>>;

/// Why a stack did not start or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// On this machine, as processes.
    #[error(transparent)]
    Local(#[from] local::Error),
    /// Somebody's service.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// On a cluster.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The platform's own task is gone, which only a bug or the end of the runtime explains.
    #[error("the stack's supervisor ended before it was asked to stop")]
    SupervisorGone,
}

impl Error {
    /// Whether a cluster kept what the run has made, because its API did not answer for long.
    pub(crate) fn is_of_a_cluster_that_is_away(&self) -> bool {
        matches!(self, Self::Cluster(cluster::Error::Left { .. }))
    }
}

/// What to start. The dependency is part of every stack, and the auditor of every one with a database.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// Which implementation: `mine`, `starter`, `solved` or `cheat:<name>`.
    pub code: String,
    /// Port of the dependency; 0 for a free one.
    pub dep_port: u16,
    /// The api, if it is part of the run.
    pub api: Option<ApiSpec>,
    /// The worker, if it is part of the run.
    pub worker: Option<WorkerSpec>,
    /// What sends the load, where the platform does.
    pub load: LoadSpec,
    /// Folder of the run; the services' logs go to `logs/` in it. None keeps only their last lines.
    pub run_folder: Option<PathBuf>,
}

impl StackSpec {
    /// The dependency alone, with `code`.
    pub fn new(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            dep_port: 0,
            api: None,
            worker: None,
            load: LoadSpec::default(),
            run_folder: None,
        }
    }

    /// Whether an autoscaler decides how many replicas of the api there are.
    pub fn is_autoscaled(&self) -> bool {
        self.api.as_ref().is_some_and(|api| api.manifests.is_some())
    }
}

/// The pods that send the load on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSpec {
    /// How many, 1 or more; the schedule is shared among them.
    pub pods: u32,
    /// They end by themselves after this long, whatever becomes of the driver.
    pub lasts: Duration,
}

impl Default for LoadSpec {
    fn default() -> Self {
        Self {
            pods: 1,
            lasts: Duration::from_hours(1),
        }
    }
}

/// What sends the load.
#[derive(Debug)]
pub enum Load {
    /// The driver's own engine, to the stack's targets.
    Driver,
    /// The driver's own engine, to these; the stack's targets are the way of its other requests to one of them.
    DriverTo(watch::Receiver<Targets>),
    /// Pods of the cluster.
    Pods {
        /// The pods.
        fleet: Fleet,
        /// Where they send requests: the same replicas as the stack's targets, by their addresses in the cluster.
        targets: watch::Receiver<Targets>,
    },
}

impl Load {
    /// The lines to the pods, where there are any.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::Driver | Self::DriverTo(_) => Vec::new(),
            Self::Pods { fleet, .. } => fleet.lines(),
        }
    }
}

/// The manifests of an api that is autoscaled.
#[derive(Clone, Debug)]
pub struct ApiManifests {
    /// Its Deployment.
    pub deployment: ManifestFile,
    /// Its `HorizontalPodAutoscaler`.
    pub hpa: ManifestFile,
}

/// How the api runs.
#[derive(Clone, Debug)]
pub struct ApiSpec {
    /// Replicas at the start; none where its manifests make none.
    pub replicas: u32,
    /// Port of the first replica; 0 for a free one. Further replicas always take free ones.
    pub port: u16,
    /// Requests served at once; others wait.
    pub admission_slots: u32,
    /// Connections to the database.
    pub pool_size: u32,
    /// How long a request waits for a connection.
    pub pool_acquire_timeout: Duration,
    /// CPU that one replica may use; none leaves it unlimited. A cluster reads it from the manifests.
    pub cpu_quota: Option<Millicores>,
    /// Its manifests, where it is autoscaled.
    pub manifests: Option<ApiManifests>,
    /// Whether it gets a database.
    pub database: bool,
    /// Whether the run will kill it: where no signal reaches it, it must take an order to crash.
    pub crashable: bool,
    /// How its replicas are replaced, where they are.
    pub roll: Option<RollSpec>,
}

/// How replicas of the api are replaced.
#[derive(Clone, Debug)]
pub struct RollSpec {
    /// As the manifest says.
    pub rollout: Rollout,
    /// How long one that was told to leave is still a target.
    pub listed_for: Duration,
}

impl Default for ApiSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            port: 0,
            admission_slots: 16,
            pool_size: 10,
            pool_acquire_timeout: Duration::from_secs(3),
            cpu_quota: None,
            manifests: None,
            database: false,
            crashable: false,
            roll: None,
        }
    }
}

/// How the worker runs.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// Port; 0 for a free one.
    pub port: u16,
    /// Jobs run at once.
    pub workers: u32,
    /// Service time of a fast job.
    pub fast: Duration,
    /// Service time of a slow job.
    pub slow: Duration,
}

impl Default for WorkerSpec {
    fn default() -> Self {
        Self {
            port: 0,
            workers: 8,
            fast: Duration::from_millis(10),
            slow: Duration::from_secs(1),
        }
    }
}

/// CPU in thousandths of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millicores(pub u32);

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

/// One replica of the api, ready or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Name, e.g. `api-2`; never used twice in a stack.
    pub name: String,
    /// Where it takes requests, once it is ready.
    pub endpoint: Option<Endpoint>,
    /// When it was created.
    pub created: Instant,
    /// Since when it is ready.
    pub ready_since: Option<Instant>,
}

/// A service that broke during the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which one, e.g. `api-1`, `postgres`.
    pub service: String,
    /// What happened, its exit status and last log lines, for people.
    pub text: String,
}

/// A step in the life of a replica of the api.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaEvent {
    /// When.
    pub at: Instant,
    /// Which replica.
    pub replica: String,
    /// What happened to it.
    pub change: Change,
}

/// What happened to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Created, not ready yet.
    Started,
    /// Takes requests.
    Ready,
    /// Takes no new requests any more; it was asked to stop or it crashed.
    Stopped,
    /// Killed in the middle of its work, as the scenario wants it.
    Killed,
    /// Was told to leave, to be replaced; what it does until it has is its own business.
    Told,
    /// Has ended by itself, so long after it was told to.
    Left(Duration),
    /// Was killed, since it had not ended so long after it was told to.
    Overdue(Duration),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |took: &Duration| took.as_secs_f64();
        match self {
            Self::Started => f.write_str("started"),
            Self::Ready => f.write_str("is ready"),
            Self::Stopped => f.write_str("stopped"),
            Self::Killed => f.write_str("was killed (SIGKILL)"),
            Self::Told => f.write_str("is told to leave"),
            Self::Left(took) => write!(f, "had left after {:.1} s", after(took)),
            Self::Overdue(took) => write!(
                f,
                "was killed (SIGKILL) at the end of its grace period, after {:.1} s",
                after(took)
            ),
        }
    }
}

/// The replicas of the api that were told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// Have not ended yet.
    pub now: usize,
    /// Have ended, so far.
    pub left: usize,
    /// Of these, were killed at the end of their grace period.
    pub killed: usize,
    /// The longest that one of these took.
    pub slowest: Duration,
}

impl Leaving {
    /// Books that one has ended, where this is what happened to it.
    fn book(&mut self, change: Change) {
        let (took, killed) = match change {
            Change::Left(took) => (took, 0),
            Change::Overdue(took) => (took, 1),
            _ => return,
        };
        self.left += 1;
        self.killed += killed;
        self.slowest = self.slowest.max(took);
    }
}

/// A decision of an autoscaler that is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Replicas to run from now on.
    pub desired: u32,
    /// What was decided and why, for people.
    pub sentence: String,
    /// What is told of it while the run goes, where the sentence names the missing piece of a manifest: who watches is
    /// to find that.
    pub meanwhile: Option<String>,
}

/// What is told of an autoscaler that can't compute, for want of what `sentence` names, until the run is over.
pub(crate) fn unexplained(desired: u32) -> String {
    format!(
        "autoscaler: {desired} as before; it can't compute the use (FailedGetResourceMetric), and why is told after the run"
    )
}

/// A running stack. The channels can be moved out; the stack lives as long as [`Stack::control`].
#[derive(Debug)]
pub struct Stack {
    /// What sends the load; taken by whoever starts it.
    pub load: Load,
    /// Where to send requests.
    pub targets: watch::Receiver<Targets>,
    /// The api's replicas, oldest first, ready or not.
    pub replicas: watch::Receiver<Vec<Replica>>,
    /// Those that were told to stop. How they left is known of replicas that are replaced alone.
    pub leaving: watch::Receiver<Leaving>,
    /// Where the name of the service led; none where it was started, and not looked up.
    pub found: Option<Found>,
    /// Services that broke, as it happens.
    pub failures: mpsc::UnboundedReceiver<Failure>,
    /// Lives of the api's replicas, from the first start on.
    pub events: mpsc::UnboundedReceiver<ReplicaEvent>,
    /// What the platform's own autoscaler decides; none where it has none, or nothing is autoscaled.
    pub decisions: Option<mpsc::UnboundedReceiver<Decision>>,
    /// Scales and stops it.
    pub control: StackControl,
}

/// The reins of a stack. Dropping them stops it too, in the background.
#[derive(Debug)]
pub struct StackControl {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
}

impl StackControl {
    /// Asks for `replicas` of the api. A new one is a target once it is ready; one that goes is
    /// first no target any more, then told to stop. Without an api this does nothing.
    pub fn scale_api(&self, replicas: u32) {
        // A supervisor that is gone has stopped the stack: nothing is left to scale.
        let _ = self.commands.send(Command::ScaleApi(replicas));
    }

    /// Kills a replica of the api in the middle of its work, and starts another in its place.
    pub fn crash_api(&self) {
        let _ = self.commands.send(Command::CrashApi);
    }

    /// Replaces every replica of the api by a new one, as its manifest says. Where it has none this does nothing.
    pub fn roll_api(&self) {
        let _ = self.commands.send(Command::RollApi);
    }

    /// Stops every service, gracefully for a bounded time, and removes what the stack left behind.
    pub async fn stop(self) -> Result<(), Error> {
        let (done, stopped) = oneshot::channel();
        self.commands
            .send(Command::Stop(done))
            .map_err(|_| Error::SupervisorGone)?;
        stopped.await.map_err(|_| Error::SupervisorGone)?
    }
}

/// What a [`StackControl`] tells its platform's supervisor.
#[derive(Debug)]
pub(crate) enum Command {
    ScaleApi(u32),
    CrashApi,
    RollApi,
    Stop(oneshot::Sender<Result<(), Error>>),
}
