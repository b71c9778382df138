//! What changed between two runs: checks, latency, code. Pure; the pages show it.
//!
//! The run is the unit. Of one run against one, a direction of the latency is stated only where it
//! is too large to be the luck of the day, and nothing is ever called significant; that takes groups
//! of runs ([`groups`]).

mod caution;
mod change;
pub mod groups;
mod sentence;
mod source;

pub use change::{Change, Ratio};
pub use source::{DiffLine, LineTag, SourceDiff};

use lab_record::{Check, CheckKind, Class, Latency, Outcome, PhaseStats, Quantile, Run, RunId};

use crate::words::{class_name, failures, number::count};

/// Two runs, `a` the earlier or the reference, `b` the one that is judged against it.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The run compared with.
    pub a: Side,
    /// The run compared.
    pub b: Side,
    /// Why the comparison should be read with care, a sentence each.
    pub cautions: Vec<String>,
    /// Every check of either run, in the order of `b`.
    pub checks: Vec<CheckPair>,
    /// The request classes that both runs have.
    pub classes: Vec<ClassPair>,
    /// The edit point's files, each with what changed in it.
    pub sources: Vec<SourceDiff>,
}

/// Which run, and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Its name.
    pub run_id: RunId,
    /// The code that ran.
    pub code: String,
    /// Pass or fail, invalid or cancelled.
    pub outcome: Outcome,
    /// 0 to 100; none where nothing is said of the service.
    pub score: Option<u8>,
}

/// One check in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckPair {
    /// Unique within the scenario.
    pub id: String,
    /// What it speaks of.
    pub kind: CheckKind,
    /// The statement.
    pub title: String,
    /// In the first run; none where it had no such check.
    pub a: Option<Check>,
    /// In the second run.
    pub b: Option<Check>,
}

/// One request class in both runs.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassPair {
    /// Its name.
    pub name: String,
    /// Shares that went well within the objective in that stretch, first and second run.
    pub good_share: (f64, f64),
    /// Requests that failed in the whole run, and why where that is known, first and second run.
    pub failed: (Failed, Failed),
    /// The stretch that the latencies are of: a phase with a fault, or `all`.
    pub phase: String,
    /// Latencies in that stretch, first and second run.
    pub latency: Latencies,
    /// What can be said of them.
    pub change: Change,
}

/// The same percentile of two runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latencies {
    /// Which: `p99`, or a lower one.
    pub name: &'static str,
    /// In the first run.
    pub a: Option<Quantile>,
    /// In the second.
    pub b: Option<Quantile>,
}

impl Latencies {
    /// The 99th percentile, or, where it is beyond the longest wait in both runs and says nothing, the next that is not.
    fn of(a: &Latency, b: &Latency) -> Self {
        let beyond = |quantile: Option<Quantile>| quantile.is_some_and(|it| it.censored);
        let named = |name, a, b| Self { name, a, b };
        let p99 = named("p99", a.p99, b.p99);
        [p99, named("p95", a.p95, b.p95), named("p50", a.p50, b.p50)]
            .into_iter()
            .find(|pair| !(beyond(pair.a) && beyond(pair.b)))
            .unwrap_or(p99)
    }
}

/// How many requests of a class failed in a whole run, and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// How many.
    pub count: u64,
    /// By kind, in words; none where none failed or older data does not say.
    pub reasons: Option<String>,
}

impl Failed {
    fn of(class: &Class) -> Self {
        Self {
            count: class.total.counts.failed,
            reasons: failures::reasons(class, &class.total),
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = count(self.count);
        match &self.reasons {
            Some(reasons) => write!(f, "{number} ({reasons})"),
            None => write!(f, "{number}"),
        }
    }
}

impl ClassPair {
    /// True where one of the runs has failures to tell of.
    pub fn has_failures(&self) -> bool {
        self.failed.0.count + self.failed.1.count > 0
    }
}

impl Comparison {
    /// Compares `b` with `a`.
    pub fn of(a: &Run, b: &Run) -> Self {
        Self {
            a: Side::of(a),
            b: Side::of(b),
            cautions: caution::cautions(a, b),
            checks: check_pairs(&a.checks, &b.checks),
            classes: class_pairs(a, b),
            sources: source::diffs(&a.sources, &b.sources),
        }
    }

    /// The same, where `b` began with the text of `began`: what an earlier edit changed is no news here, and is not what
    /// everybody has either.
    #[must_use]
    pub fn beside(mut self, b: &Run, began: Option<&Run>) -> Self {
        let text = |run: &Run, path: &str| {
            let mut files = run.sources.iter();
            files
                .find(|file| file.path == path)
                .map(|file| file.text.clone())
        };
        for source in &mut self.sources {
            source.differs_from_start =
                began.is_some_and(|began| text(began, &source.path) != text(b, &source.path));
        }
        self
    }
}

impl Side {
    fn of(run: &Run) -> Self {
        Self {
            run_id: run.run_id.clone(),
            code: run.code_words(),
            outcome: run.verdict.outcome,
            score: run.verdict.score,
        }
    }
}

/// What is compared of a class: the last phase in which something is wrong on purpose, as there a fix has
/// to show and an autoscaler has had its time; the whole run where the two have no such phase in common.
fn stretch<'a>(
    a: &Run,
    b: &Run,
    in_a: &'a Class,
    in_b: &'a Class,
) -> (&'a PhaseStats, &'a PhaseStats) {
    let find = |class: &'a Class, name: &str| class.by_phase.iter().find(|p| p.phase == name);
    let faulty = |run: &Run, name: &str| {
        let mut phases = run.phases.iter();
        phases.any(|phase| phase.name == name && phase.fault.is_some())
    };
    b.phases
        .iter()
        .rev()
        .filter(|phase| faulty(a, &phase.name) && faulty(b, &phase.name))
        .find_map(|phase| Some((find(in_a, &phase.name)?, find(in_b, &phase.name)?)))
        .unwrap_or((&in_a.total, &in_b.total))
}

fn check_pairs(a: &[Check], b: &[Check]) -> Vec<CheckPair> {
    let find = |checks: &[Check], id: &str| checks.iter().find(|check| check.id == id).cloned();
    let only_a = a
        .iter()
        .filter(|check| b.iter().all(|other| other.id != check.id));
    b.iter()
        .chain(only_a)
        .map(|check| CheckPair {
            id: check.id.clone(),
            kind: check.kind,
            title: check.title.clone(),
            a: find(a, &check.id),
            b: find(b, &check.id),
        })
        .collect()
}

fn class_pairs(a: &Run, b: &Run) -> Vec<ClassPair> {
    b.classes
        .iter()
        .filter_map(|class| {
            let other = a.classes.iter().find(|other| other.name == class.name)?;
            let (before, after) = stretch(a, b, other, class);
            let latency = Latencies::of(&before.latency, &after.latency);
            let change = Change::between(latency.a, latency.b, class.slo_ms);
            Some(ClassPair {
                name: class_name(class),
                failed: (Failed::of(other), Failed::of(class)),
                good_share: (before.good_share, after.good_share),
                phase: after.phase.clone(),
                latency,
                change,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
