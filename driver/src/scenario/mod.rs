//! A scenario as data: what `driver/scenarios/*.toml` may say, and nothing else.
//!
//! Reading is strict ([`Scenario::parse`]): a wrong key, unit or name is an error with its line.

mod body;
mod built_in;
mod digest;
mod guess;
mod measure;
mod parse;
mod sense;
mod stage;
mod units;

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use lab_load::{Service, summary::Expectation};
use lab_record::{Lesson, Part};
use serde::Deserialize;

pub use body::Body;
pub use built_in::{step, steps};
pub use guess::{Guess, Law, Sum};
pub use measure::{
    Comparison, Disagreement, Latency, Limit, Measure, Observed, Recovery, Requests, Stat,
};
pub use parse::ScenarioError;
pub use stage::Stage;
pub use units::{Dimension, Quantity, Rate};

/// A name that points at another part of the file, with its place for messages.
pub type Reference = toml::Spanned<String>;

/// One reproducible experiment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Short name; also its folder below `reports/`.
    pub name: String,
    /// Number of the step in the workshop, from 1; none for a scenario of one's own.
    pub step: Option<u8>,
    /// What the guide says of the step.
    pub lesson: Option<Lesson>,
    /// What is asked before its first run.
    pub guess: Option<Guess>,
    /// One line for people.
    pub title: String,
    /// What is done to the service and what to watch.
    pub summary: String,
    /// What a participant edits, relative to the project.
    #[serde(default)]
    pub edit: Vec<String>,
    /// The check whose figure is quoted first, by id.
    pub headline: Reference,
    /// Code variants that must fail.
    #[serde(default)]
    pub cheats: Vec<String>,
    /// Code variants other than the reference that must pass.
    #[serde(default)]
    pub fixes: Vec<String>,
    /// A send later than this counts as late in the self-check.
    #[serde(default = "default_lateness", deserialize_with = "units::duration")]
    pub lateness_limit: Duration,
    /// Path of the page of metrics of a service of one's own, below the target's.
    #[serde(default = "default_metrics")]
    pub metrics: String,
    /// Connections to open to each service before the load starts, or as many of them as it takes.
    pub connections: Option<u32>,
    /// How many send loops share the schedule, in the driver or in each load pod; none for as many as its rates want.
    pub loops: Option<u32>,
    /// Sizes of the services.
    #[serde(default)]
    pub services: Services,
    /// The stretches of the run, in order.
    pub phases: Vec<Phase>,
    /// The traffic.
    pub classes: Vec<Class>,
    /// What is observed besides the traffic.
    #[serde(default)]
    pub series: Vec<Series>,
    /// What stands on the stage.
    pub stage: Option<Stage>,
    /// What must hold.
    pub checks: Vec<Check>,
    /// The file's own text and, as comments, the digests of the files that it names.
    #[serde(skip)]
    pub text: String,
    /// What tells it from every other experiment, however it is written down.
    #[serde(skip)]
    pub digest: String,
}

/// 25 ms: a quarter of the tightest latency limit of the workshop (100 ms in `bulkheads`), so that
/// a late send can't decide a check by itself.
fn default_lateness() -> Duration {
    Duration::from_millis(25)
}

/// Where services have their metrics, by custom.
pub const METRICS: &str = "/metrics";

fn default_metrics() -> String {
    METRICS.to_owned()
}

/// Sizes of the services; what is missing has the service's own default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// The api, where the scenario needs one.
    pub api: Option<Api>,
    /// The worker, where the scenario needs one.
    pub worker: Option<Worker>,
    /// How the dependency behaves while no phase says otherwise.
    pub dep: Dep,
}

/// Sizes of the api.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Requests that may run at a time, over all routes.
    pub admission_slots: u32,
    /// True where it needs PostgreSQL.
    #[serde(default)]
    pub database: bool,
    /// Connections in its pool.
    pub pool_size: Option<u32>,
    /// How long a request waits for one of them.
    #[serde(default, deserialize_with = "units::optional_duration")]
    pub pool_acquire_timeout: Option<Duration>,
    /// True where its replicas and their CPU follow the manifests of step 4.
    #[serde(default)]
    pub autoscaled: bool,
    /// Where its replicas follow the manifest of step 6, and are to be replaced.
    pub rolled: Option<Rolled>,
}

/// Replicas that are replaced while they serve.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolled {
    /// How long one that was told to leave is still on the list by which requests are sent.
    #[serde(deserialize_with = "units::duration")]
    pub listed_for: Duration,
}

/// Sizes of the worker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Jobs that may run at a time.
    pub workers: u32,
}

/// Behaviour of the dependency: the defaults are a healthy one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dep {
    /// How long a call takes, on average.
    #[serde(deserialize_with = "units::duration")]
    pub latency: Duration,
    /// A call takes up to this much more or less, evenly spread.
    #[serde(deserialize_with = "units::duration")]
    pub jitter: Duration,
    /// Every how many calls one hangs; 0 is never.
    pub hang_every: u32,
    /// How long a hanging call hangs.
    #[serde(deserialize_with = "units::duration")]
    pub hang: Duration,
    /// Share of calls answered with an error, 0 to 1; written in percent.
    #[serde(deserialize_with = "units::share")]
    pub error_share: f64,
    /// Calls that may run at a time, the others wait; 0 is no bound.
    pub capacity: u32,
    /// How many may wait; they are worked on in turn, also when their callers have gone. 0 is no bound, and then who goes
    /// leaves the line.
    pub line: u32,
    /// Every so often all calls are refused, for the first time after half of it; zero is never.
    #[serde(deserialize_with = "units::duration")]
    pub blip_every: Duration,
    /// For so long.
    #[serde(deserialize_with = "units::duration")]
    pub blip: Duration,
}

impl Default for Dep {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            jitter: Duration::ZERO,
            hang_every: 0,
            hang: Duration::from_secs(5),
            error_share: 0.0,
            capacity: 0,
            line: 0,
            blip_every: Duration::ZERO,
            blip: Duration::ZERO,
        }
    }
}

/// A named stretch of the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Unique name.
    pub name: String,
    /// How long it lasts.
    #[serde(deserialize_with = "units::duration")]
    pub duration: Duration,
    /// How long it lasts on a cluster, where that is not the same: an autoscaler there is slower.
    #[serde(default, deserialize_with = "units::optional_duration")]
    pub on_cluster: Option<Duration>,
    /// What is wrong during it.
    pub fault: Option<Fault>,
    /// A crash of the api in the middle of it.
    pub crash: Option<Crash>,
    /// A rolling restart of the api, begun in it.
    pub roll: Option<Roll>,
}

/// Every replica of the api is replaced by a new one, in the order that its manifest says.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    /// When it begins, from the start of the phase.
    #[serde(deserialize_with = "units::duration")]
    pub after: Duration,
}

/// A replica of the api is killed in the middle of its work, and started again at once.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// When, from the start of the phase.
    #[serde(deserialize_with = "units::duration")]
    pub after: Duration,
}

/// A fault that lasts for a phase.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// For people: shown on charts and in the terminal.
    pub text: String,
    /// How the dependency behaves; none where the fault is the traffic itself.
    pub dep: Option<Dep>,
}

/// A kind of traffic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Unique name.
    pub name: String,
    /// Where it goes.
    #[serde(default)]
    pub service: Service,
    /// Method and path, e.g. `GET /cases/timeouts?key={key}`.
    pub request: String,
    /// Header fields, with `{key}`, `{n}` and `{account}` (n modulo 1000) filled in.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What the request carries, a text with the same filled in or a file.
    pub body: Option<Body>,
    /// True for traffic that has no part in the fault and should feel nothing.
    #[serde(default)]
    pub bystander: bool,
    /// Arrival rate in every phase that `rates` does not name.
    pub rate: Rate,
    /// Arrival rate by phase.
    #[serde(default)]
    pub rates: BTreeMap<Reference, Rate>,
    /// How arrivals are spread.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// A request is given up this long after its intended send.
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// Latency objective.
    #[serde(deserialize_with = "units::duration")]
    pub slo: Duration,
    /// Statuses that are the wished answer.
    #[serde(default = "ok_is_200")]
    pub ok: Vec<u16>,
    /// Statuses that are the right way to refuse here.
    #[serde(default)]
    pub expected: Vec<u16>,
    /// Requests in flight at a time; a further one is dropped and counted.
    #[serde(default = "default_in_flight")]
    pub max_in_flight: u32,
    /// A client's retries: every so many requests one repeats an earlier key.
    pub repeat: Option<Repeat>,
    /// Whether a client that had no answer asks again.
    pub again: Option<Again>,
    /// True where a wished answer is JSON with the provider's `receipt` for the request's key, or a promise that the
    /// provider's book will have it.
    #[serde(default)]
    pub receipts: bool,
}

impl Class {
    /// Its rate in a phase.
    pub fn rate_in(&self, phase: &Phase) -> Rate {
        let mut named = self.rates.iter();
        let named = named.find(|(name, _)| *name.get_ref() == phase.name);
        named.map_or(self.rate, |(_, rate)| *rate)
    }
}

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly.
    #[default]
    Constant,
    /// As from many independent users; the seed is fixed, so every run has the same arrivals.
    Poisson,
    /// So many at once, these groups evenly.
    Burst(NonZeroU32),
}

fn ok_is_200() -> Vec<u16> {
    vec![200]
}

/// High enough that no scenario of the workshop drops, low enough that no laptop runs out of ports.
fn default_in_flight() -> u32 {
    2000
}

/// A client that retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// Every how many requests.
    pub every: u32,
    /// How many requests back the repeated one lies.
    pub lag: u32,
}

/// A client that had no answer asks again with the same key, beside the rate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// From the end of one attempt to the next, at least; at most twice this.
    #[serde(deserialize_with = "units::duration")]
    pub after: Duration,
    /// How often, at most.
    pub times: u8,
    /// Statuses that count as no answer here.
    #[serde(default)]
    pub statuses: Vec<u16>,
}

/// Something observed over time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Unique name.
    pub id: String,
    /// Name at the end of its line.
    pub label: String,
    /// Unit, e.g. `requests`.
    pub unit: String,
    /// Title of its chart; none for one that only the stage shows.
    pub chart: Option<String>,
    /// Where its values come from.
    pub source: Source,
    /// A bound to draw.
    pub bound: Option<Bound>,
}

/// Where the values of a series come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A gauge or a counter's total: the sum over the replicas and over all samples with these labels.
    Metric(Metric),
    /// A counter's growth per second, of such a sum.
    Rate(Metric),
    /// A field of the auditor's `/debug/dbstats`, e.g. `activity.idle_in_transaction`.
    Dbstats(String),
    /// Replicas of the api.
    Replicas(Replicas),
}

/// A metric of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Whose.
    #[serde(default)]
    pub service: Service,
    /// Its Prometheus name.
    pub name: String,
    /// Labels that must match; one with an empty value must not be there.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Multiplied with each value, for a unit that people prefer.
    #[serde(default = "one", deserialize_with = "units::finite")]
    pub times: f64,
}

impl Metric {
    /// All samples of that name, as they are.
    pub(crate) fn named(service: Service, name: &str) -> Self {
        Self {
            service,
            name: name.to_owned(),
            labels: BTreeMap::new(),
            times: one(),
        }
    }
}

fn one() -> f64 {
    1.0
}

/// Which replicas to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replicas {
    /// Those that were created and don't serve yet.
    Starting,
    /// Those that serve.
    Ready,
    /// Those that were told to stop and have not ended yet.
    Leaving,
    /// Those that the autoscaler asks for.
    Desired,
    /// Those that are ready and were not told to stop.
    Available,
    /// Those that were told to stop and have ended, so far.
    Left,
    /// Of these, those that were killed at the end of their grace period.
    Killed,
    /// The longest that one of these took to end, in seconds.
    SlowestLeave,
}

/// A line to draw across a chart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Its name.
    pub label: String,
    /// Its value, in the unit of the series.
    pub value: BoundValue,
}

/// Where a line lies.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "a number, or \"max_replicas\", \"set_point\" or \"grace_period\" of the manifests"
)]
pub enum BoundValue {
    /// Where the scenario says.
    Number(#[serde(deserialize_with = "units::finite")] f64),
    /// Where the manifests of the run say.
    Manifest(Setting),
}

/// What the manifests of steps 4 and 6 set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The most replicas that the autoscaler may ask for.
    MaxReplicas,
    /// The CPU use of one pod that the autoscaler aims at, in millicores: its target of the pod's request.
    SetPoint,
    /// The time in which a pod has to end, in seconds.
    GracePeriod,
}

/// The values of the manifests that run; what they leave open is missing.
pub type Settings = BTreeMap<Setting, f64>;

impl BoundValue {
    /// The value, where there is one.
    pub(crate) fn resolve(self, settings: &Settings) -> Option<f64> {
        match self {
            Self::Number(value) => Some(value),
            Self::Manifest(setting) => settings.get(&setting).copied(),
        }
    }
}

/// A measured statement with a limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Unique name.
    pub id: String,
    /// What it speaks of.
    pub kind: lab_record::CheckKind,
    /// The statement.
    pub title: String,
    /// Why it matters and where the limit comes from.
    pub why: String,
    /// What is measured.
    pub measure: toml::Spanned<Measure>,
    /// What it must be.
    pub limit: Limit,
    /// The value from which on a passing check earns all its points; without it, passing does.
    pub full: Option<Quantity>,
    /// Weight in the score.
    #[serde(default = "one", deserialize_with = "units::finite")]
    pub weight: f64,
}

impl Class {
    /// What is wished of its requests.
    pub fn expectation(&self) -> Expectation {
        Expectation {
            ok: self.ok.clone(),
            expected: self.expected.clone(),
            slo: self.slo,
            bystander: self.bystander,
        }
    }
}

impl Scenario {
    /// When it is done, as a step of the workshop.
    pub fn part(&self) -> Part {
        let lesson = self.lesson.as_ref();
        lesson.map_or_else(Part::default, |lesson| lesson.part)
    }

    /// With the durations that its phases have on a cluster.
    #[must_use]
    pub fn on_cluster(mut self) -> Self {
        for phase in &mut self.phases {
            phase.duration = phase.on_cluster.unwrap_or(phase.duration);
        }
        self
    }

    /// How long the load lasts.
    pub fn duration(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }

    /// Start and end of each phase, from the start of the load.
    pub fn spans(&self) -> impl Iterator<Item = (&Phase, Duration, Duration)> {
        self.phases.iter().scan(Duration::ZERO, |at, phase| {
            let start = *at;
            *at += phase.duration;
            Some((phase, start, *at))
        })
    }
}
