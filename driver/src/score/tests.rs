//! Verdicts over hand-made measurements, on a scenario of two phases and two classes.

use std::time::Duration;

use lab_load::{End, Sample};
use lab_record::{Check, Outcome, Series, Validity};

use super::{Measured, checks, verdict};
use crate::{
    books::Books,
    scenario::{Scenario, Setting, Settings},
};

const SCENARIO: &str = r#"
name = "test"
title = "A test"
summary = "Two phases, one class."
headline = "good"

[[phases]]
name = "fault"
duration = "10s"

[[phases]]
name = "after"
duration = "5s"

[[classes]]
name = "user"
service = "api"
request = "GET /"
rate = "10/s"
timeout = "5s"
slo = "500ms"

[[series]]
id = "queue"
label = "queue"
unit = "jobs"
chart = "Queue"
source = { metric = { service = "api", name = "queue" } }

[[checks]]
id = "good"
kind = "effect"
title = "good"
why = "-"
measure = { good_share = { class = "user", phases = ["fault"] } }
limit = { at_least = "90%" }

[[checks]]
id = "p95"
kind = "effect"
title = "p95"
why = "-"
measure = { latency = { class = "user", percentile = 95, phases = ["fault"] } }
limit = { at_most = "200ms" }
full = "100ms"

[[checks]]
id = "recovery"
kind = "effect"
title = "recovery"
why = "-"
measure = { recovery = { class = "user", after = "fault" } }
limit = { at_most = "1s" }

[[checks]]
id = "queue"
kind = "mechanism"
title = "queue"
why = "-"
measure = { series = { id = "queue", stat = "max", phases = ["fault"] } }
limit = { at_most = "8" }

[[checks]]
id = "steady"
kind = "effect"
title = "steady"
why = "-"
measure = { series = { id = "queue", stat = "max", phases = ["fault"], least_of = 5 } }
limit = { at_least = "2" }

[[checks]]
id = "books"
kind = "correctness"
title = "books"
why = "-"
measure = { difference = { of = { distinct_ok = { class = "user" } }, minus = [{ series = { id = "queue", stat = "last" } }] } }
limit = { exactly = "0" }
"#;

/// A request every 100 ms for 15 s; `how` gives its latency in ms and its end, by its intended send
/// in ms.
fn requests(how: impl Fn(u64) -> (u64, End)) -> Vec<Sample> {
    (0..150)
        .map(|n| {
            let intended = n * 100;
            let (latency, end) = how(intended);
            Sample {
                intended: Duration::from_millis(intended),
                written: Some(Duration::from_millis(intended)),
                first_byte: None,
                done: Duration::from_millis(intended + latency),
                key: n,
                class: 0,
                end,
                attempt: 0,
            }
        })
        .collect()
}

fn judge(samples: &[Sample], queue: &[(f64, f64)]) -> Vec<Check> {
    judge_by(SCENARIO, &Settings::new(), samples, queue)
}

fn judge_by(
    scenario: &str,
    settings: &Settings,
    samples: &[Sample],
    queue: &[(f64, f64)],
) -> Vec<Check> {
    let scenario = Scenario::parse("test.toml", scenario).unwrap();
    let series = [Series {
        id: "queue".to_owned(),
        label: "queue".to_owned(),
        unit: "jobs".to_owned(),
        chart: "Queue".to_owned(),
        limit: None,
        points: queue.to_vec(),
    }];
    checks(&Measured {
        scenario: &scenario,
        samples,
        series: &series,
        books: &Books::default(),
        settings,
    })
}

fn find<'a>(checks: &'a [Check], id: &str) -> &'a Check {
    checks.iter().find(|check| check.id == id).unwrap()
}

const OK: End = End::Answered(200);
const QUEUE: [(f64, f64); 6] = [
    (1.0, 4.0),
    (3.0, 3.0),
    (5.0, 4.0),
    (7.0, 4.0),
    (9.0, 4.0),
    (15.5, 150.0),
];

#[test]
fn what_holds_everywhere_passes_with_full_marks() {
    let checks = judge(&requests(|_| (20, OK)), &QUEUE);
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
    let verdict = verdict(&checks, Validity::Suspect);
    assert_eq!((verdict.outcome, verdict.score), (Outcome::Pass, Some(100)));
}

#[test]
fn a_pass_short_of_full_marks_is_still_above_every_failure() {
    let checks = judge(&requests(|_| (195, OK)), &QUEUE);
    let score = verdict(&checks, Validity::Valid).score.unwrap();
    assert!((80..100).contains(&score), "{score}");
    let nearly = judge(&requests(|_| (201, OK)), &QUEUE);
    let failed = verdict(&nearly, Validity::Valid);
    assert_eq!(failed.outcome, Outcome::Fail);
    assert!(failed.score.unwrap() < 60);
}

#[test]
fn errors_and_timeouts_stay_in_the_percentile_as_lower_bounds() {
    let some_fail = |at: u64| {
        if at.is_multiple_of(1000) {
            (3, End::Answered(500))
        } else {
            (20, OK)
        }
    };
    let p95 = find(&judge(&requests(some_fail), &QUEUE), "p95").clone();
    assert!(!p95.passed);
    assert!(
        p95.seen.starts_with("≥ "),
        "a fast error is no fast answer: {}",
        p95.seen
    );
}

#[test]
fn recovery_is_the_end_of_the_last_bad_window() {
    let slow_until = |end: u64| move |at: u64| if at < end { (4000, OK) } else { (20, OK) };
    let seen = |end| find(&judge(&requests(slow_until(end)), &QUEUE), "recovery").clone();
    assert_eq!(seen(0).value, Some(0.0));
    assert_eq!(seen(10_700).value, Some(1000.0));
    assert!(!seen(12_000).passed);
    let never = seen(15_000);
    assert!(
        !never.passed && never.seen.starts_with("≥ "),
        "{}",
        never.seen
    );
}

#[test]
fn a_series_counts_in_its_phases_only() {
    let checks = judge(
        &requests(|_| (20, OK)),
        &[(1.0, 4.0), (9.9, 9.0), (15.5, 150.0)],
    );
    assert_eq!(find(&checks, "queue").value, Some(9.0));
    assert!(!find(&checks, "queue").passed);
    assert!(find(&checks, "books").passed);
}

#[test]
fn what_is_done_in_one_part_does_not_make_up_for_another() {
    let steady = |queue: &[(f64, f64)]| {
        let checks = judge(&requests(|_| (20, OK)), queue);
        find(&checks, "steady").clone()
    };
    assert_eq!(steady(&QUEUE).value, Some(3.0));
    let mut idle = QUEUE;
    idle[3].1 = 0.0;
    assert!(!steady(&idle).passed);
    let unseen = steady(&[(1.0, 4.0), (3.0, 4.0), (5.0, 4.0), (9.0, 4.0)]);
    assert_eq!((unseen.passed, unseen.value), (false, None));
}

#[test]
fn what_the_manifests_leave_open_holds_no_check() {
    let room = r#"
[[checks]]
id = "room"
kind = "mechanism"
title = "room"
why = "-"
measure = { ratio = { of = { manifest = "max_replicas" }, over = { value = 2 } } }
limit = { at_least = "2" }
"#;
    let with = |settings: &[(Setting, f64)]| {
        let settings = settings.iter().copied().collect();
        let scenario = format!("{SCENARIO}{room}");
        let checks = judge_by(&scenario, &settings, &requests(|_| (20, OK)), &QUEUE);
        find(&checks, "room").clone()
    };
    assert_eq!(with(&[(Setting::MaxReplicas, 4.0)]).value, Some(2.0));
    let open = with(&[(Setting::SetPoint, 30.0)]);
    assert_eq!((open.passed, open.value), (false, None));
}

#[test]
fn nothing_to_measure_is_a_failure_and_says_so() {
    let checks = judge(&[], &[]);
    assert!(
        checks
            .iter()
            .all(|check| !check.passed && check.seen == "nothing to measure")
    );
    assert_eq!(verdict(&checks, Validity::Valid).score, Some(0));
}

#[test]
fn what_is_faked_scores_below_what_is_slow() {
    let faked = verdict(
        &judge(&requests(|_| (20, OK)), &[(1.0, 4.0), (15.5, 12.0)]),
        Validity::Valid,
    );
    assert_eq!(faked.outcome, Outcome::Fail);
    assert!(faked.score.unwrap() <= 39);
}

#[test]
fn an_invalid_measurement_has_no_score() {
    let verdict = verdict(&judge(&requests(|_| (20, OK)), &QUEUE), Validity::Invalid);
    assert_eq!((verdict.outcome, verdict.score), (Outcome::Invalid, None));
}
