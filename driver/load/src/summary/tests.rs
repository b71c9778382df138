//! Counts, percentiles and books of hand-made samples.

use std::collections::BTreeMap;

use super::*;
use crate::{Cause, Ledger, Sample};

const TIMEOUT: Duration = Duration::from_secs(2);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn sample(intended: u64, took: u64, end: End) -> Sample {
    Sample {
        intended: ms(intended),
        written: (end != End::Dropped).then(|| ms(intended + 1)),
        first_byte: None,
        done: ms(intended + took),
        key: intended,
        class: 0,
        end,
        attempt: 0,
    }
}

pub(super) fn plan() -> Plan {
    let class = ClassPlan {
        timeout: TIMEOUT,
        expectation: Expectation {
            ok: vec![200],
            expected: vec![504],
            slo: ms(500),
            bystander: false,
        },
        ..ClassPlan::get("quote", "/quote?key={key}", Vec::new())
    };
    Plan {
        drain: TIMEOUT,
        phases: phases(),
        ..Plan::of("run", vec![class])
    }
}

pub(super) fn cells(plan: &Plan, samples: &[Sample]) -> Cells {
    let mut cells = Cells::new(plan);
    for sample in samples {
        cells.add(sample);
    }
    cells
}

fn of(samples: &[Sample]) -> Vec<Class> {
    classes(&plan(), &cells(&plan(), samples))
}

fn phases() -> Vec<Span> {
    let span = |name: &str, from, to| Span {
        name: name.into(),
        from: ms(from),
        to: ms(to),
    };
    vec![span("healthy", 0, 1000), span("fault", 1000, 3000)]
}

/// One of each fate; the last three in the second phase.
fn one_of_each() -> Vec<Sample> {
    vec![
        sample(0, 20, End::Answered(200)),
        sample(100, 600, End::Answered(200)),
        sample(200, 30, End::Answered(504)),
        sample(300, 5, End::Answered(500)),
        sample(999, 1, End::Broken(Cause::Reset)),
        sample(1000, 2000, End::TimedOut),
        sample(1100, 0, End::Dropped),
        sample(1200, 800, End::Unfinished),
    ]
}

fn recording() -> Recording {
    Recording {
        cells: cells(&plan(), &one_of_each()).into(),
        ledger: vec![Ledger {
            planned: 9,
            offered: 8,
            dropped: 1,
            again: 0,
        }],
        ..Recording::default()
    }
}

fn summed_up() -> Vec<Class> {
    of(&one_of_each())
}

#[test]
fn every_fate_is_counted_once() {
    let class = &summed_up()[0];
    assert_eq!(class.request, "GET /quote");
    let expected = Totals {
        offered: 8,
        dropped: 1,
        sent: 7,
        ok: 2,
        expected: 1,
        failed: 2,
        timed_out: 1,
        unfinished: 1,
    };
    assert_eq!(class.total.counts, expected);
    let ends = &class.total.ends;
    assert_eq!(
        ends.statuses,
        BTreeMap::from([(200, 2), (500, 1), (504, 1)])
    );
    assert_eq!(ends.errors, BTreeMap::from([(Cause::Reset, 1)]));
    assert_eq!(class.by_phase[0].ends, *ends);
    assert_eq!(class.by_phase[1].ends, Ends::default());
    assert_eq!(class.by_phase[0].counts.offered, 5);
    assert_eq!(class.by_phase[1].counts.offered, 3);
}

#[test]
fn good_is_ok_within_the_objective_of_all_offered() {
    let class = &summed_up()[0];
    assert!((class.total.good_share - 1.0 / 8.0).abs() < 1e-9);
    assert!((class.by_phase[0].good_share - 1.0 / 5.0).abs() < 1e-9);
}

#[test]
fn failures_count_as_slow_and_not_as_fast() {
    let healthy = &summed_up()[0].by_phase[0];
    // 20, 30 and 600 ms are exact; the two failures of 5 and 1 ms stand for "at least 2 s".
    let p50 = healthy.latency.p50.unwrap();
    assert!(!p50.censored && (p50.ms - 600.0).abs() < 1.0, "{p50:?}");
    let p95 = healthy.latency.p95.unwrap();
    assert!(p95.censored && (p95.ms - 2000.0).abs() < 2.0, "{p95:?}");
}

#[test]
fn service_time_leaves_out_what_was_never_sent() {
    let dropped = [sample(0, 0, End::Dropped)];
    let class = &of(&dropped)[0];
    assert!(class.total.latency.p50.is_some_and(|p50| p50.censored));
    assert_eq!(class.total.service_time.p50, None);
}

#[test]
fn a_class_without_requests_has_no_percentiles() {
    let class = &of(&[])[0];
    assert_eq!(class.total.counts, Totals::default());
    assert_eq!(class.total.latency.p50, None);
    assert!(class.total.good_share.abs() < f64::EPSILON);
}

#[test]
fn books_that_balance_are_accepted() {
    assert_eq!(verify_books(&plan(), &recording(), &summed_up()), Ok(()));
}

#[test]
fn a_lost_request_is_found() {
    let text = verify_books(&plan(), &recording(), &of(&one_of_each()[..7])).unwrap_err();
    assert_eq!(text, "class `quote`: 8 offered, but 7 on record");
}

#[test]
fn a_request_outside_all_phases_is_found() {
    let mut plan = plan();
    plan.phases.pop();
    let classes = classes(&plan, &cells(&plan, &one_of_each()));
    let text = verify_books(&plan, &recording(), &classes).unwrap_err();
    assert_eq!(text, "class `quote`: 8 offered, but 5 in the phases");
}

#[test]
fn a_failure_without_its_cause_is_found() {
    let mut classes = summed_up();
    classes[0].total.ends.errors.clear();
    let text = verify_books(&plan(), &recording(), &classes).unwrap_err();
    assert_eq!(
        text,
        "class `quote`: 5 answered or broken, but 4 with a status or a cause"
    );
}

#[test]
fn a_whole_run_offers_its_whole_plan() {
    let mut recording = recording();
    recording.complete = true;
    let text = verify_books(&plan(), &recording, &summed_up()).unwrap_err();
    assert_eq!(text, "class `quote`: 9 planned, but 8 offered by the plan");
}

#[test]
fn windows_count_things_when_they_happen() {
    let samples = [
        sample(50, 20, End::Answered(200)),
        sample(90, 120, End::Answered(200)),
        sample(99, 1, End::Dropped),
    ];
    let windows = windows(&cells(&plan(), &samples), 0, ms(100));
    let counts: Vec<_> = windows
        .iter()
        .map(|window| {
            (
                window.start,
                window.offered,
                window.sent,
                window.ok,
                window.failed,
            )
        })
        .collect();
    assert_eq!(
        counts,
        [
            (ms(0), 3, 2, 1, 0),
            (ms(100), 0, 0, 0, 1),
            (ms(200), 0, 0, 1, 0)
        ]
    );
    assert!(windows[0].latency.p99.is_some_and(|p99| p99.censored));
    assert_eq!(windows[1].latency.p50, None);
}
