//! From what was measured to checks, verdict and score. Pure: the same measurement always gets the
//! same verdict.

mod doubt;
mod grade;
mod keys;
mod lost;
mod measure;
mod records;
mod seen;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use lab_load::Cells;
use lab_record::{CheckKind, Finite, Outcome, Validity, Verdict};

use crate::{
    books::Books,
    pauses::Stretch,
    scenario::{Check, Class, Limit, Measure, Quantity, Scenario, Settings},
};

/// What the checks are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// What was to be run.
    pub scenario: &'a Scenario,
    /// What became of the requests.
    pub cells: &'a Cells,
    /// What was observed besides.
    pub series: &'a [lab_record::Series],
    /// When it was looked, in seconds: a series that lacks a look's time was not seen then.
    pub looks: &'a [f64],
    /// What provider, ledger and clients have on record.
    pub books: &'a Books,
    /// What the manifests that ran set.
    pub settings: &'a Settings,
    /// What is left out of it all; nothing, except to see what a verdict turns on.
    pub disturbed: &'a [Stretch],
}

/// A score below this is a failure, a passing one is never below it; so that no failed run ever
/// stands above a passed one.
const PASSING: f64 = 80.0;

/// The most that a failed run can have.
const FAILING: f64 = 59.0;

/// The most that a run with a failed correctness check can have: speed does not make up for work
/// lost or faked.
const INCORRECT: f64 = 39.0;

pub use doubt::{Doubts, Turned, Unseen, doubts};
pub use lost::{Lost, Watch, watchable};

/// Whether a check of the scenario needs to know which keys of a class were asked for and answered.
pub fn needs_keys(scenario: &Scenario, class: &Class) -> bool {
    let mut checks = scenario.checks.iter();
    checks.any(|check| measure::needs_keys(check.measure.get_ref(), &class.name))
}

/// Judges every check of the scenario.
pub fn checks(measured: &Measured) -> Vec<lab_record::Check> {
    let judge = |check| judge(check, measured);
    measured.scenario.checks.iter().map(judge).collect()
}

/// The verdict that the checks add up to.
pub fn verdict(checks: &[lab_record::Check], validity: Validity) -> Verdict {
    if validity == Validity::Invalid {
        return Verdict {
            outcome: Outcome::Invalid,
            score: None,
        };
    }
    // That nothing is lost or faked is a condition and no merit: it would lift a broken service to the top of the
    // failures.
    let merits = || {
        checks
            .iter()
            .filter(|check| check.kind != CheckKind::Correctness)
    };
    let weights: f64 = merits().map(|check| check.weight.get()).sum();
    let earned = merits().map(|check| check.weight.get() * check.grade.get());
    let earned: f64 = earned.sum();
    let points = if weights > 0.0 {
        100.0 * earned / weights
    } else {
        100.0
    };
    let failed = |check: &lab_record::Check| !check.passed;
    let faked = |check: &lab_record::Check| !check.passed && check.kind == CheckKind::Correctness;
    let (outcome, most) = if checks.iter().any(faked) {
        (Outcome::Fail, INCORRECT)
    } else if checks.iter().any(failed) {
        (Outcome::Fail, FAILING)
    } else {
        (Outcome::Pass, 100.0)
    };
    Verdict {
        outcome,
        score: Some(points.min(most).round() as u8),
    }
}

fn judge(check: &Check, measured: &Measured) -> lab_record::Check {
    let measure = check.measure.get_ref();
    let value = measure::value(measure, measured);
    let passed = value.is_some_and(|value| holds(check, value));
    let unseen = hidden(check, value, measured);
    let found = value.map(|value| {
        let quantity = Quantity {
            value: value.value,
            dimension: measure.dimension(),
        };
        let bound = if value.censored { "≥ " } else { "" };
        format!("{bound}{quantity}")
    });
    let words: Vec<String> = unseen.iter().cloned().chain(found).collect();
    let seen = if words.is_empty() {
        "nothing to measure".to_owned()
    } else {
        words.join("; ")
    };
    lab_record::Check {
        id: check.id.clone(),
        kind: check.kind,
        title: check.title.clone(),
        why: check.why.clone(),
        limit: check.limit.to_string(),
        seen,
        value: value.and_then(|value| Finite::new(value.value)),
        passed: passed && unseen.is_none(),
        grade: match value {
            // What nobody saw may be anything.
            Some(value) if unseen.is_none() => grade::grade(check, value.value, passed),
            _ => Finite::default(),
        },
        weight: Finite::new(check.weight).unwrap_or_default(),
        series: measure.series(),
    }
}

/// Of a censored value only a lower bound is known, so it can't be shown to lie below a limit.
fn holds(check: &Check, value: measure::Value) -> bool {
    check.limit.holds(value.value) && !(value.censored && matches!(check.limit, Limit::AtMost(_)))
}

/// How little was seen, where that alone keeps a check of this value from holding.
fn hidden(check: &Check, value: Option<measure::Value>, measured: &Measured) -> Option<String> {
    match (check.measure.get_ref(), value) {
        (measure, Some(value)) if holds(check, value) => seen::unseen(measure, measured),
        // The books are not the participant's, who can't keep them from being read either.
        (
            Measure::Ledger(_)
            | Measure::WrongReceipts(_)
            | Measure::UnaskedReceipts(_)
            | Measure::Undone(_),
            None,
        ) => Some("not seen: too little of the books could be read".to_owned()),
        _ => None,
    }
}
