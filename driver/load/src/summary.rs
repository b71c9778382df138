//! Makes counts and percentiles of samples. Pure: the same samples give the same figures.
//!
//! Who failed, timed out or was dropped is in every percentile, as a censored value: slower than
//! what is known. Percentiles of a longer stretch come from all of its requests, never from
//! averages of percentiles.

use std::time::Duration;

use lab_record::{Class, Ends, PhaseStats, Totals};

mod distribution;
mod windows;

pub use distribution::Distribution;
pub use windows::{Window, windows};

use super::{ClassPlan, End, Plan, Recording, Sample};

/// What a scenario wishes of a class.
#[derive(Clone, Debug, Default)]
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
#[derive(Clone, Debug)]
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

/// What became of every class, over the run and by phase of the intended send. `expectations` go
/// with the classes of the plan, in their order.
pub fn classes(
    plan: &Plan,
    expectations: &[Expectation],
    phases: &[Span],
    samples: &[Sample],
) -> Vec<Class> {
    (0u16..)
        .zip(plan.classes.iter().zip(expectations))
        .map(|(index, (class, expectation))| {
            let of_class = || samples.iter().filter(move |sample| sample.class == index);
            let stats = |name: &str, from: Duration, to: Duration| {
                let inside =
                    move |sample: &&Sample| from <= sample.intended && sample.intended < to;
                phase_stats(name, class.timeout, expectation, of_class().filter(inside))
            };
            Class {
                name: class.name.clone(),
                request: class.request(),
                bystander: expectation.bystander,
                slo_ms: milliseconds(expectation.slo),
                timeout_ms: milliseconds(class.timeout),
                ok: expectation.ok.clone(),
                expected: expectation.expected.clone(),
                total: stats("all", Duration::ZERO, Duration::MAX),
                by_phase: phases
                    .iter()
                    .map(|phase| stats(&phase.name, phase.from, phase.to))
                    .collect(),
            }
        })
        .collect()
}

fn phase_stats<'a>(
    phase: &str,
    timeout: Duration,
    expectation: &Expectation,
    samples: impl Iterator<Item = &'a Sample>,
) -> PhaseStats {
    let mut counts = Totals::default();
    let mut ends = Ends::default();
    let mut good = 0u64;
    let mut latency = Distribution::default();
    let mut refusals = Distribution::default();
    let mut service_time = Distribution::default();
    for sample in samples {
        let fate = count(&mut counts, &mut ends, expectation, sample.end);
        if fate == Fate::Ok && sample.latency() <= expectation.slo {
            good += 1;
        }
        match observed(sample.latency(), fate, timeout) {
            Some(time) => latency.record(time),
            None => refusals.record((sample.latency(), false)),
        }
        if let Some(time) = sample.service_time()
            && let Some(time) = observed(time, fate, timeout)
        {
            service_time.record(time);
        }
    }
    PhaseStats {
        phase: phase.to_owned(),
        good_share: good as f64 / counts.offered.max(1) as f64,
        counts,
        ends,
        latency: latency.quantiles(),
        refusals: refusals.quantiles(),
        service_time: service_time.quantiles(),
    }
}

/// Counts a request's end, by what it means and by what it was.
fn count(counts: &mut Totals, ends: &mut Ends, expectation: &Expectation, end: End) -> Fate {
    let fate = expectation.fate(end);
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
    match end {
        End::Answered(status) => *ends.statuses.entry(status).or_default() += 1,
        End::Broken(cause) => *ends.errors.entry(cause).or_default() += 1,
        End::TimedOut | End::Dropped | End::Unfinished => {}
    }
    fate
}

/// Checks that no request is missing and none counted twice: the counts of `classes`, made from
/// samples, against the dispatcher's own. The error says where they part.
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
mod tests;
