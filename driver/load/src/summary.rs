//! Makes counts and percentiles of what became of the requests. Pure: the same cells give the same figures.
//!
//! Who failed, timed out or was dropped is in every percentile, as a censored value: slower than
//! what is known. Percentiles of a longer stretch come from all of its requests, never from
//! averages of percentiles.

use std::time::Duration;

use lab_record::{Class, Ends, PhaseStats, Totals};
use serde::{Deserialize, Serialize};

mod distribution;
mod windows;

pub use distribution::Distribution;
pub(super) use distribution::lower;
pub use windows::{Window, windows};

use super::{Cell, Cells, ClassPlan, End, Plan, Recording, cells::InPhase};

/// What a scenario wishes of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Statuses of an answer as wished.
    pub ok: Vec<u16>,
    /// Statuses that the scenario calls a right refusal.
    pub expected: Vec<u16>,
    /// Latency objective.
    pub slo: Duration,
    /// True for traffic that has no part in the fault.
    pub bystander: bool,
}

/// A named stretch of the run, `from` included, `to` not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Name of the phase.
    pub name: String,
    /// First moment.
    pub from: Duration,
    /// End.
    pub to: Duration,
}

/// How a request ended in the eyes of a scenario; every request has exactly one fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Answered as wished.
    Ok,
    /// Refused as is right.
    Expected,
    /// Answered otherwise, or not at all because the connection failed.
    Failed,
    /// Given up.
    TimedOut,
    /// Never sent.
    Dropped,
    /// Cut off by the end of the run.
    Unfinished,
}

impl Expectation {
    /// Judges the end of a request.
    pub fn fate(&self, end: End) -> Fate {
        match end {
            End::Answered(status) if self.ok.contains(&status) => Fate::Ok,
            End::Answered(status) if self.expected.contains(&status) => Fate::Expected,
            End::Answered(_) | End::Broken(_) => Fate::Failed,
            End::TimedOut => Fate::TimedOut,
            End::Dropped => Fate::Dropped,
            End::Unfinished => Fate::Unfinished,
        }
    }
}

/// What a request tells of how long an answer takes: a time, and whether it is only a lower bound. None
/// for a right refusal, which is no answer: a thousand refusals in a millisecond each say nothing of
/// the one answer that took a second.
///
/// A failure is no faster than giving up: its user still waits for an answer, so it counts as at
/// least the timeout. Of an unfinished request only the time until now is known.
pub fn observed(time: Duration, fate: Fate, timeout: Duration) -> Option<(Duration, bool)> {
    match fate {
        Fate::Ok => Some((time, false)),
        Fate::Expected => None,
        Fate::Failed | Fate::TimedOut | Fate::Dropped => Some((time.max(timeout), true)),
        Fate::Unfinished => Some((time, true)),
    }
}

/// What became of every class of a plan, over the run and by phase of the intended send.
pub fn classes(plan: &Plan, cells: &Cells) -> Vec<Class> {
    let classes = plan.classes.iter().enumerate();
    let class = |(index, class): (usize, &ClassPlan)| {
        let in_phases = cells.in_phases(index);
        let by_phase = plan.phases.iter().zip(in_phases).map(|(phase, in_phase)| {
            let span = phase.from..phase.to;
            let inside = cells
                .of(index)
                .filter(move |(of, _)| span.contains(&of.start));
            phase_stats(&phase.name, inside.map(|(_, cell)| cell), [in_phase])
        });
        let all = cells.of(index).map(|(_, cell)| cell);
        Class {
            name: class.name.clone(),
            request: class.request(),
            bystander: class.expectation.bystander,
            slo_ms: milliseconds(class.expectation.slo),
            timeout_ms: milliseconds(class.timeout),
            ok: class.expectation.ok.clone(),
            expected: class.expectation.expected.clone(),
            total: phase_stats("all", all, in_phases),
            by_phase: by_phase.collect(),
        }
    };
    classes.map(class).collect()
}

fn phase_stats<'a>(
    phase: &str,
    cells: impl Iterator<Item = &'a Cell> + Clone,
    in_phases: impl IntoIterator<Item = &'a InPhase>,
) -> PhaseStats {
    let mut counts = Totals::default();
    cells.clone().for_each(|cell| add(&mut counts, &cell.due));
    let good: u64 = cells.clone().map(|cell| cell.good).sum();
    let mut all = InPhase::default();
    for in_phase in in_phases {
        add_ends(&mut all.ends, &in_phase.ends);
        all.answers.merge(&in_phase.answers);
        all.refusals.merge(&in_phase.refusals);
        all.service_time.merge(&in_phase.service_time);
    }
    PhaseStats {
        phase: phase.to_owned(),
        good_share: good as f64 / counts.offered.max(1) as f64,
        counts,
        ends: all.ends,
        answers: all.answers,
        latency: cells.collect::<Distribution>().quantiles(),
        refusals: all.refusals.quantiles(),
        service_time: all.service_time.quantiles(),
    }
}

/// Adds counts.
pub(super) fn add(all: &mut Totals, part: &Totals) {
    let Totals {
        offered,
        dropped,
        sent,
        ok,
        expected,
        failed,
        timed_out,
        unfinished,
    } = part;
    all.offered += offered;
    all.dropped += dropped;
    all.sent += sent;
    all.ok += ok;
    all.expected += expected;
    all.failed += failed;
    all.timed_out += timed_out;
    all.unfinished += unfinished;
}

/// Adds counts, each to its own.
pub(super) fn add_ends(all: &mut Ends, part: &Ends) {
    let Ends { statuses, errors } = part;
    for (status, count) in statuses {
        *all.statuses.entry(*status).or_default() += count;
    }
    for (cause, count) in errors {
        *all.errors.entry(*cause).or_default() += count;
    }
}

/// Counts a request with its fate.
pub(super) fn count(counts: &mut Totals, fate: Fate) {
    counts.offered += 1;
    if fate != Fate::Dropped {
        counts.sent += 1;
    }
    *match fate {
        Fate::Ok => &mut counts.ok,
        Fate::Expected => &mut counts.expected,
        Fate::Failed => &mut counts.failed,
        Fate::TimedOut => &mut counts.timed_out,
        Fate::Dropped => &mut counts.dropped,
        Fate::Unfinished => &mut counts.unfinished,
    } += 1;
}

/// Counts the end of a request, where it has a status or a cause.
pub(super) fn count_end(ends: &mut Ends, end: End) {
    match end {
        End::Answered(status) => *ends.statuses.entry(status).or_default() += 1,
        End::Broken(cause) => *ends.errors.entry(cause).or_default() += 1,
        End::TimedOut | End::Dropped | End::Unfinished => {}
    }
}

/// Checks that no request is missing and none counted twice: the counts of `classes`, made from
/// cells, against the dispatcher's own. The error says where they part.
pub fn verify_books(plan: &Plan, recording: &Recording, classes: &[Class]) -> Result<(), String> {
    if recording.ledger.len() != plan.classes.len() || classes.len() != plan.classes.len() {
        return Err(format!(
            "{} classes were planned, {} dispatched and {} summed up",
            plan.classes.len(),
            recording.ledger.len(),
            classes.len()
        ));
    }
    for ((plan, ledger), class) in plan.classes.iter().zip(&recording.ledger).zip(classes) {
        let phases = class.by_phase.iter().map(|phase| phase.counts.offered);
        let total = &class.total.counts;
        let answers = total.ok + total.expected + total.failed;
        let ends = &class.total.ends;
        let known = ends.statuses.values().chain(ends.errors.values());
        balance(
            plan,
            &[
                ("offered", ledger.offered, "on record", total.offered),
                (
                    "offered",
                    total.offered,
                    "dropped or sent",
                    total.dropped + total.sent,
                ),
                (
                    "dropped",
                    ledger.dropped,
                    "on record as dropped",
                    total.dropped,
                ),
                (
                    "sent",
                    total.sent,
                    "answered, given up or unfinished",
                    answers + total.timed_out + total.unfinished,
                ),
                ("offered", total.offered, "in the phases", phases.sum()),
                (
                    "answered or broken",
                    answers,
                    "with a status or a cause",
                    known.sum(),
                ),
            ],
        )?;
        if recording.complete {
            balance(
                plan,
                &[
                    (
                        "planned",
                        ledger.planned,
                        "offered by the plan",
                        ledger.offered - ledger.again,
                    ),
                    (
                        "unfinished",
                        total.unfinished,
                        "expected at the end of a whole run",
                        0,
                    ),
                ],
            )?;
        }
    }
    Ok(())
}

fn balance(class: &ClassPlan, pairs: &[(&str, u64, &str, u64)]) -> Result<(), String> {
    match pairs.iter().find(|(_, left, _, right)| left != right) {
        None => Ok(()),
        Some((left_name, left, right_name, right)) => Err(format!(
            "class `{}`: {left} {left_name}, but {right} {right_name}",
            class.name
        )),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
