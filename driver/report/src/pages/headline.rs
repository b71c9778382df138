//! The sentences at the top of a report: did it hold, why, and where to look.

use lab_record::{Check, CheckKind, Outcome, Run};

use super::number::{counted, seconds};

/// Did it hold?
pub(crate) fn held(run: &Run) -> String {
    let failed: Vec<&Check> = run.checks.iter().filter(|check| !check.passed).collect();
    match run.verdict.outcome {
        Outcome::Invalid => {
            "The measurement can't be believed, so nothing is said of the service.".to_owned()
        }
        Outcome::Cancelled => format!(
            "The run was cancelled after {}, so nothing is said of the service.",
            seconds(run.duration_s)
        ),
        Outcome::Pass if run.checks.is_empty() => "It held: nothing was asked of it.".to_owned(),
        Outcome::Pass => format!(
            "It held: {} passed.",
            match run.checks.len() {
                1 => "the one check".to_owned(),
                all => format!("all {all} checks"),
            }
        ),
        Outcome::Fail if let Some(early) = &run.ended_early => {
            format!("It did not hold: {}.", early.text())
        }
        Outcome::Fail => match failed.first() {
            None => "It did not hold.".to_owned(),
            Some(first) => {
                let of = counted(run.checks.len(), "check", "checks");
                let fail = if failed.len() == 1 { "fails" } else { "fail" };
                format!(
                    "It did not hold: {} of {of} {fail}. {}.",
                    failed.len(),
                    in_figures(effect_first(&failed).unwrap_or(first)),
                )
            }
        },
    }
}

/// Why? The first mechanism that failed; with all well, the first that shows it.
pub(crate) fn why(run: &Run) -> Option<String> {
    Some(format!("{}.", in_figures(why_check(run)?)))
}

/// The check that says so; none where the run is not judged: the findings of the self-check stand right below.
pub(crate) fn why_check(run: &Run) -> Option<&Check> {
    let mut mechanisms = run
        .checks
        .iter()
        .filter(|check| check.kind == CheckKind::Mechanism);
    match run.verdict.outcome {
        Outcome::Invalid | Outcome::Cancelled => None,
        Outcome::Pass => mechanisms.next(),
        Outcome::Fail => mechanisms.find(|check| !check.passed),
    }
}

/// Where to look: the chart that tells the most, in the stretch of the run in which something was wrong on purpose.
pub(crate) fn look_at(run: &Run, chart: Option<&str>) -> Option<String> {
    if !run.verdict.outcome.judges() {
        return None;
    }
    let phase = run.phases.iter().find(|phase| phase.fault.is_some())?;
    Some(format!(
        "{} from {} to {}, phase {}: {}.",
        chart.unwrap_or("The charts"),
        seconds(phase.start_s),
        seconds(phase.end_s),
        phase.name,
        phase
            .fault
            .as_deref()
            .unwrap_or_default()
            .trim_end_matches('.')
    ))
}

fn effect_first<'a>(failed: &[&'a Check]) -> Option<&'a Check> {
    let mut failed = failed.iter();
    failed
        .find(|check| check.kind == CheckKind::Effect)
        .copied()
}

fn in_figures(check: &Check) -> String {
    let unbroken = |figure: &str| figure.replace(' ', "\u{a0}");
    format!(
        "{}: {} seen, {} wanted",
        check.title.trim_end_matches('.'),
        unbroken(&check.seen),
        unbroken(&check.limit)
    )
}
