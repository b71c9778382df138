//! What changed between two runs: checks, latency, code. Pure; [`crate::report`] shows it.
//!
//! The run is the unit. Of one run against one, a direction of the latency is stated only where it
//! is too large to be the luck of the day, and nothing is ever called significant.

use std::collections::BTreeMap;

use lab_record::{Check, CheckKind, Outcome, Quantile, Run, RunId, SelfCheck, SourceFile, Validity};
use similar::{ChangeTag, TextDiff};

use crate::report::number::{counted, duration, quantile};

/// Below this ratio of their 99th percentiles two single runs are not told apart.
const DISTINGUISHABLE: f64 = 2.0;
/// Lines of unchanged code around a change.
const CONTEXT: usize = 3;

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
    /// Pass, fail or invalid.
    pub outcome: Outcome,
    /// 0 to 100; none where invalid.
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
    /// Shares that went well within the objective, first and second run.
    pub good_share: (f64, f64),
    /// 99th percentiles, first and second run.
    pub p99: (Option<Quantile>, Option<Quantile>),
    /// What can be said of them.
    pub change: Change,
}

/// What can be said of a latency from one run each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The second is lower.
    Lower(Ratio),
    /// The second is higher.
    Higher(Ratio),
    /// No direction can be stated.
    NotDistinguishable,
    /// One of the two has no value.
    Unmeasured,
}

/// How many times larger one is than the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// At least [`DISTINGUISHABLE`].
    pub times: f64,
    /// True where the larger is itself only a lower bound.
    pub at_least: bool,
}

/// What changed in one file.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDiff {
    /// Its path, relative to the project.
    pub path: String,
    /// Stretches with changes and some lines around them; none where the texts are equal.
    pub hunks: Vec<Vec<DiffLine>>,
    /// Lines that only the second run has.
    pub added: usize,
    /// Lines that only the first run has.
    pub removed: usize,
}

/// One line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// Kept, removed or added.
    pub tag: LineTag,
    /// Its number in the first run's file, from 1.
    pub old: Option<usize>,
    /// Its number in the second run's file, from 1.
    pub new: Option<usize>,
    /// Its text, without the end of line.
    pub text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTag {
    /// In both.
    Kept,
    /// Only in the first run.
    Removed,
    /// Only in the second run.
    Added,
}

/// The run that `run` is compared with when nobody says otherwise: the oldest of the same scenario
/// and platform, unless that is `run` itself.
pub fn baseline<'a>(runs: impl IntoIterator<Item = &'a Run>, run: &Run) -> Option<&'a Run> {
    runs.into_iter()
        .filter(|other| other.scenario.name == run.scenario.name && other.platform == run.platform)
        .min_by_key(|other| &other.run_id)
        .filter(|oldest| oldest.run_id != run.run_id)
}

impl Comparison {
    /// Compares `b` with `a`.
    pub fn of(a: &Run, b: &Run) -> Self {
        Self {
            a: Side::of(a),
            b: Side::of(b),
            cautions: cautions(a, b),
            checks: check_pairs(&a.checks, &b.checks),
            classes: class_pairs(a, b),
            sources: source_diffs(&a.sources, &b.sources),
        }
    }

    /// Everything in one plain sentence.
    pub fn sentence(&self) -> String {
        let (a, b) = (&self.a, &self.b);
        if a.outcome == Outcome::Invalid || b.outcome == Outcome::Invalid {
            let invalid = match (a.outcome, b.outcome) {
                (Outcome::Invalid, Outcome::Invalid) => "Both measurements are",
                (Outcome::Invalid, _) => "The measurement of A is",
                _ => "The measurement of B is",
            };
            return format!("{invalid} INVALID, so nothing can be said of the difference.");
        }
        let verdict = match (a.outcome, b.outcome) {
            (Outcome::Pass, Outcome::Pass) => {
                format!("Both A ({}) and B ({}) hold", a.code, b.code)
            }
            (Outcome::Pass, _) => format!("B ({}) does not hold where A ({}) did", b.code, a.code),
            (_, Outcome::Pass) => format!("B ({}) holds where A ({}) did not", b.code, a.code),
            _ => format!("Neither A ({}) nor B ({}) holds", a.code, b.code),
        };
        let score = |side: &Side| side.score.map_or("none".to_owned(), |score| score.to_string());
        format!(
            "{verdict}: score {} → {}, {}, and {}.",
            score(a),
            score(b),
            self.changed_checks(),
            self.largest_change(),
        )
    }

    fn changed_checks(&self) -> String {
        let turned = |from: bool, to: bool| {
            self.checks
                .iter()
                .filter_map(|pair| Some((pair.a.as_ref()?.passed, pair.b.as_ref()?.passed)))
                .filter(|change| *change == (from, to))
                .count()
        };
        let fixed = turned(false, true);
        let broken = turned(true, false);
        let fixed_text = counted(fixed, "check newly passes", "checks newly pass");
        let broken_text = counted(broken, "check newly fails", "checks newly fail");
        match (fixed, broken) {
            (0, 0) => "no check changed sides".to_owned(),
            (_, 0) => fixed_text,
            (0, _) => broken_text,
            _ => format!("{fixed_text}, {broken_text}"),
        }
    }

    /// The class whose latency changed most, in words.
    fn largest_change(&self) -> String {
        let times = |pair: &&ClassPair| match pair.change {
            Change::Lower(ratio) | Change::Higher(ratio) => Some(ratio.times),
            Change::NotDistinguishable | Change::Unmeasured => None,
        };
        let largest = self
            .classes
            .iter()
            .filter(|pair| times(pair).is_some())
            .max_by(|x, y| times(x).partial_cmp(&times(y)).unwrap_or(std::cmp::Ordering::Equal));
        match largest {
            None => "the latency is not distinguishable".to_owned(),
            Some(pair) => {
                let direction = match pair.change {
                    Change::Higher(_) => "rose",
                    _ => "fell",
                };
                format!(
                    "p99 of {} {direction} from {} to {}",
                    pair.name,
                    quantile(pair.p99.0),
                    quantile(pair.p99.1)
                )
            }
        }
    }
}

impl Side {
    fn of(run: &Run) -> Self {
        Self {
            run_id: run.run_id.clone(),
            code: run.code.clone(),
            outcome: run.verdict.outcome,
            score: run.verdict.score,
        }
    }
}

impl Change {
    /// From the first run's quantile to the second's.
    pub fn between(a: Option<Quantile>, b: Option<Quantile>) -> Self {
        let (Some(a), Some(b)) = (a, b) else {
            return Self::Unmeasured;
        };
        if !(a.ms > 0.0 && b.ms > 0.0 && a.ms.is_finite() && b.ms.is_finite()) {
            return Self::NotDistinguishable;
        }
        // A lower bound says how large a value is at least, so it can only be the larger one.
        let ratio = |large: Quantile, small: Quantile| {
            let times = large.ms / small.ms;
            (times >= DISTINGUISHABLE && !small.censored).then_some(Ratio {
                times,
                at_least: large.censored,
            })
        };
        ratio(a, b)
            .map(Self::Lower)
            .or_else(|| ratio(b, a).map(Self::Higher))
            .unwrap_or(Self::NotDistinguishable)
    }
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
            let p99 = (other.total.latency.p99, class.total.latency.p99);
            Some(ClassPair {
                name: class.name.clone(),
                good_share: (other.total.good_share, class.total.good_share),
                p99,
                change: Change::between(p99.0, p99.1),
            })
        })
        .collect()
}

fn cautions(a: &Run, b: &Run) -> Vec<String> {
    let mut cautions = Vec::new();
    let mut differ = |what: &str, a: &str, b: &str| {
        if a != b {
            cautions.push(format!("The {what} differs: A {a}, B {b}."));
        }
    };
    differ("scenario", &a.scenario.name, &b.scenario.name);
    differ("platform", &a.platform, &b.platform);
    let machine = |run: &Run| {
        let host = &run.host;
        let cores = counted(host.cores, "core", "cores");
        format!("{} {} with {cores}", host.os, host.arch)
    };
    differ("machine", &machine(a), &machine(b));
    if a.scenario.name == b.scenario.name && a.scenario.toml != b.scenario.toml {
        cautions.push("The scenario's numbers changed between the two runs.".to_owned());
    }
    for (name, run) in [("A", a), ("B", b)] {
        if !run.complete {
            let after = duration(run.duration_s * 1000.0);
            cautions.push(format!("{name} was cut short after {after}."));
        }
        if run.self_check.validity != Validity::Valid {
            cautions.push(format!("The measurement of {name} is {}.", doubts(&run.self_check)));
        }
    }
    cautions
}

/// The validity in capitals and what spoke against it.
fn doubts(check: &SelfCheck) -> String {
    let word = crate::report::validity_word(check.validity);
    let names: Vec<&str> = check
        .findings
        .iter()
        .filter(|finding| finding.validity != Validity::Valid)
        .map(|finding| finding.name.as_str())
        .collect();
    if names.is_empty() {
        word.to_owned()
    } else {
        format!("{word} ({})", names.join(", "))
    }
}

fn source_diffs(a: &[SourceFile], b: &[SourceFile]) -> Vec<SourceDiff> {
    let mut texts: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for file in a {
        texts.entry(&file.path).or_default().0 = &file.text;
    }
    for file in b {
        texts.entry(&file.path).or_default().1 = &file.text;
    }
    texts
        .into_iter()
        .map(|(path, (old, new))| source_diff(path, old, new))
        .collect()
}

fn source_diff(path: &str, old: &str, new: &str) -> SourceDiff {
    let diff = TextDiff::from_lines(old, new);
    let hunks: Vec<Vec<DiffLine>> = diff
        .grouped_ops(CONTEXT)
        .iter()
        .map(|group| {
            group
                .iter()
                .flat_map(|op| diff.iter_changes(op))
                .map(|change| DiffLine {
                    tag: match change.tag() {
                        ChangeTag::Equal => LineTag::Kept,
                        ChangeTag::Delete => LineTag::Removed,
                        ChangeTag::Insert => LineTag::Added,
                    },
                    old: change.old_index().map(|index| index + 1),
                    new: change.new_index().map(|index| index + 1),
                    text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
                })
                .collect()
        })
        .collect();
    let lines = |tag| hunks.iter().flatten().filter(|line: &&DiffLine| line.tag == tag).count();
    SourceDiff {
        path: path.to_owned(),
        added: lines(LineTag::Added),
        removed: lines(LineTag::Removed),
        hunks,
    }
}

#[cfg(test)]
mod tests;
