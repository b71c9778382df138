//! One run, whole: what `data.json` holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Check, Class, EventKind, Finite, Guess, LoadPod, Points, RunId, SelfCheck, SendLoop, Stage,
    Target, Validity, Verdict,
};

/// Everything that is known of a run, enough to make its report again.
///
/// All times named `*_s` are seconds since the load started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Run {
    /// Version of this format, see [`crate::SCHEMA`].
    pub schema: u32,
    /// The run's name and folder.
    pub run_id: RunId,
    /// What was run.
    pub scenario: Scenario,
    /// Which implementation ran: `mine`, `starter`, `solved`, `cheat:<name>` or `fix:<name>`.
    pub code: String,
    /// Where the services ran: `local`, `k3d`, `kubernetes` for another cluster, or `target` for somebody's own.
    pub platform: String,
    /// The pods that sent the load, from inside the cluster; none where the driver itself did, from its machine.
    #[serde(default)]
    pub load_pods: Vec<LoadPod>,
    /// The send loops of the driver, which shared the schedule where there are several; none where pods sent, and in data
    /// from before there could be several.
    #[serde(default)]
    pub send_loops: Vec<SendLoop>,
    /// Where the name of somebody's own service led; none for the workshop's services, and where it was not noted yet.
    #[serde(default)]
    pub target: Option<Target>,
    /// When the load started, UTC.
    #[cfg_attr(test, schemars(schema_with = "crate::schema::moment"))]
    pub started_at: Timestamp,
    /// From the first arrival until the last request was answered or given up, seconds.
    pub duration_s: f64,
    /// False where the run was cut short; what was measured until then is here.
    pub complete: bool,
    /// Where the run was ended because a check could not hold any more (`--fail-fast`): such a run FAILs without a
    /// score, has only the checks that were decided, and is compared with no other.
    #[serde(default)]
    pub ended_early: Option<EndedEarly>,
    /// The machine that generated the load.
    pub host: Host,
    /// Versions of the parts, by name: `driver`, `rustc`, `postgresql`, …
    pub versions: BTreeMap<String, String>,
    /// Text of the edit point's files as they ran.
    pub sources: Vec<SourceFile>,
    /// True where they have the text that the workshop begins with; such a run is what later ones are
    /// compared with. False where it was not noted yet.
    #[serde(default)]
    pub starter: bool,
    /// The stretches of the run, in order, without gaps.
    pub phases: Vec<Phase>,
    /// The request classes and what became of their requests.
    pub classes: Vec<Class>,
    /// Everything drawn over time.
    pub series: Vec<Series>,
    /// What of that stands on the stage; none where the scenario has none, and in data from before there was one.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// What happened when.
    pub events: Vec<Event>,
    /// When the machine or a part of the stack stood still; none in format 1.
    #[serde(default)]
    pub pauses: Vec<Pause>,
    /// The measured statements, judged.
    pub checks: Vec<Check>,
    /// What the scenario asks before its first run, and what came of it; none in a run of another text than the starter's,
    /// and where nothing is asked.
    #[serde(default)]
    pub guess: Option<Guess>,
    /// What the checks add up to.
    pub verdict: Verdict,
    /// Whether the measurement itself can be believed.
    pub self_check: SelfCheck,
}

/// The scenario of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scenario {
    /// Short name, e.g. `timeouts`.
    pub name: String,
    /// Step of the workshop, from 1; none for a scenario of one's own.
    pub step: Option<u8>,
    /// One line for people.
    pub title: String,
    /// What is done to the service and what to watch, a sentence or two.
    pub summary: String,
    /// The check whose figure is quoted first, by id.
    pub headline: String,
    /// The file or files that a participant edits, relative to the project.
    pub edit: Vec<String>,
    /// The scenario file's own text, with its numbers and their sources.
    pub toml: String,
    /// A digest of that text, comments, blanks and the order of keys aside; runs of one digest are runs of the same
    /// experiment. None in data from before there was one.
    #[serde(default)]
    pub digest: Option<String>,
}

impl Run {
    /// The verdict's word, with the doubt that belongs to it: `FAIL`, `FAIL SUSPECT`.
    pub fn verdict_words(&self) -> String {
        let word = self.verdict.outcome.word();
        if self.is_doubted() {
            format!("{word} {}", Validity::Suspect.word())
        } else {
            word.to_owned()
        }
    }

    /// True for a verdict that the self-check casts a doubt on.
    pub fn is_doubted(&self) -> bool {
        self.verdict.outcome.judges() && self.self_check.validity == Validity::Suspect
    }

    /// True for a run that says something of the service, and over its whole length: only these are compared.
    pub fn is_comparable(&self) -> bool {
        self.verdict.outcome.judges() && self.ended_early.is_none()
    }

    /// Which code ran, in words: of a participant's own file, whether it was still the starter's text.
    pub fn code_words(&self) -> String {
        let text = if self.is_unedited() {
            ", the starter’s text"
        } else {
            ""
        };
        format!("{}{text}", self.code)
    }

    /// True where the participant's file ran, with nothing of the participant in it yet.
    pub fn is_unedited(&self) -> bool {
        self.code == "mine" && self.starter
    }

    /// The check that a verdict is told with: the headline, or the heaviest that fails where that holds all the same.
    pub fn telling(&self) -> Option<&Check> {
        let headline = self.headline();
        let failing = self.checks.iter().filter(|check| !check.passed);
        let heaviest = failing.reduce(|one, other| {
            if other.weight > one.weight {
                other
            } else {
                one
            }
        });
        match headline {
            Some(check) if self.verdict.outcome == crate::Outcome::Fail && check.passed => heaviest,
            _ => headline,
        }
    }

    /// The check whose figure is quoted first.
    pub fn headline(&self) -> Option<&Check> {
        self.checks
            .iter()
            .find(|check| check.id == self.scenario.headline)
    }
}

/// Why a run did not go on to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndedEarly {
    /// When, seconds.
    pub at_s: f64,
    /// What could not hold any more, a sentence a check.
    pub reasons: Vec<String>,
    /// The statements that were left undecided.
    pub undecided: Vec<String>,
}

impl EndedEarly {
    /// In words: `ended early at 8.2 s: …`.
    pub fn text(&self) -> String {
        format!(
            "ended early at {:.1} s: {}",
            self.at_s,
            self.reasons.join("; ")
        )
    }
}

/// The machine that generated the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host {
    /// Operating system, e.g. `linux`, `macos`.
    pub os: String,
    /// Processor architecture, e.g. `x86_64`, `aarch64`.
    pub arch: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Processors that the driver may use.
    pub cores: usize,
}

/// One source file as it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceFile {
    /// Path relative to the project, with `/`. The same for each code, so that two runs can be
    /// compared by it.
    pub path: String,
    /// Whole text.
    pub text: String,
}

/// A named stretch of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Phase {
    /// Name, e.g. `warmup`, `fault`.
    pub name: String,
    /// First moment, seconds.
    pub start_s: f64,
    /// End, seconds.
    pub end_s: f64,
    /// What is wrong during it, for people; none where nothing is.
    pub fault: Option<String>,
}

/// A stretch in which a process that wanted to run did not, whoever was to blame: its sleep ended much too late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pause {
    /// First moment, seconds, to a tenth.
    pub start_s: f64,
    /// End, seconds, to a tenth.
    pub end_s: f64,
    /// How late it was at worst, milliseconds.
    pub worst_ms: f64,
    /// The service that noticed; none where it was the driver, and so as a rule the whole machine.
    #[serde(default)]
    pub service: Option<String>,
}

/// A quantity over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Series {
    /// Unique name, e.g. `offered`, `p95:local`, `in_flight`.
    pub id: String,
    /// Name for people, short enough to stand at the end of a line.
    pub label: String,
    /// Unit of the values: `req/s`, `ms`, `requests`, `millicores`, `replicas`, …
    pub unit: String,
    /// Title of the chart it is drawn in; series of one title share a chart. None for one that only the stage shows.
    #[serde(default)]
    pub chart: Option<String>,
    /// A bound to draw as a line, in the same unit, with its name.
    pub limit: Option<(String, Finite)>,
    /// Time in seconds and value, in order of time. A gap in the times is a gap in the data.
    pub points: Points,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Event {
    /// When, seconds; negative before the load.
    pub t_s: f64,
    /// What sort of thing.
    pub kind: EventKind,
    /// For people.
    pub text: String,
}
