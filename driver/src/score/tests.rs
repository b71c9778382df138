//! Verdicts over hand-made measurements, on a scenario of two phases and two classes.

use std::time::Duration;

use jiff::Timestamp;
use lab_load::{Cells, End, Plan, Sample};
use lab_record::{Check, Finite, Outcome, Pause, RunId, Series, Validity, is_figure};

use super::{Doubts, Measured, checks, doubts, verdict};
use crate::{
    books::Books,
    run,
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

/// The time of a look, every 100 ms until half a second after the load.
fn looks() -> Vec<f64> {
    (0..=155).map(|n| f64::from(n) / 10.0).collect()
}

/// The looks at a queue that has each of these values from its time on, and none before the first.
fn points(queue: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let value = |look: f64| queue.iter().rev().find(|(from, _)| *from <= look);
    let looks = looks().into_iter();
    looks
        .filter_map(|look| Some((look, value(look)?.1)))
        .collect()
}

/// The checks, and what becomes of them without these pauses.
fn judge_without(
    samples: &[Sample],
    points: Vec<(f64, f64)>,
    pauses: &[Pause],
) -> (Vec<Check>, Doubts) {
    judge_of(SCENARIO, samples, &looks(), points, pauses)
}

fn judge_of(
    scenario: &str,
    samples: &[Sample],
    looks: &[f64],
    points: Vec<(f64, f64)>,
    pauses: &[Pause],
) -> (Vec<Check>, Doubts) {
    judge_by(scenario, &Settings::new(), samples, looks, points, pauses)
}

fn judge_by(
    scenario: &str,
    settings: &Settings,
    samples: &[Sample],
    looks: &[f64],
    points: Vec<(f64, f64)>,
    pauses: &[Pause],
) -> (Vec<Check>, Doubts) {
    let scenario = Scenario::parse("test.toml", scenario).unwrap();
    let series = [Series {
        id: "queue".to_owned(),
        label: "queue".to_owned(),
        unit: "jobs".to_owned(),
        chart: Some("Queue".to_owned()),
        limit: None,
        points: points.into(),
    }];
    let measured = Measured {
        scenario: &scenario,
        cells: &cells(&scenario, samples),
        series: &series,
        looks,
        books: &Books::default(),
        settings,
        disturbed: &[],
    };
    let checks = checks(&measured);
    for Check { seen, limit, .. } in &checks {
        // Nothing else goes into what an agent reads.
        assert!(is_figure(seen) && is_figure(limit), "{seen}, {limit}");
    }
    let doubts = doubts(&measured, &checks, pauses);
    (checks, doubts)
}

pub(super) fn plan(scenario: &Scenario) -> Plan {
    run::plan::load(scenario, &RunId::new(Timestamp::UNIX_EPOCH, 0)).unwrap()
}

pub(super) fn cells(scenario: &Scenario, samples: &[Sample]) -> Cells {
    let mut cells = Cells::new(&plan(scenario));
    for sample in samples {
        cells.add(sample);
    }
    cells
}

fn judge(samples: &[Sample], queue: &[(f64, f64)]) -> Vec<Check> {
    judge_without(samples, points(queue), &[]).0
}

fn find<'a>(checks: &'a [Check], id: &str) -> &'a Check {
    checks.iter().find(|check| check.id == id).unwrap()
}

const OK: End = End::Answered(200);
const QUEUE: [(f64, f64); 2] = [(0.0, 4.0), (15.5, 150.0)];

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
    assert_eq!(seen(0).value, Finite::new(0.0));
    assert_eq!(seen(10_700).value, Finite::new(1000.0));
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
        &[(0.0, 4.0), (9.9, 9.0), (10.0, 20.0), (15.5, 150.0)],
    );
    assert_eq!(find(&checks, "queue").value, Finite::new(9.0));
    assert!(!find(&checks, "queue").passed);
    assert!(find(&checks, "books").passed);
}

#[test]
fn what_is_done_in_one_part_does_not_make_up_for_another() {
    let steady = |points: Vec<(f64, f64)>| {
        let (checks, _) = judge_without(&requests(|_| (20, OK)), points, &[]);
        find(&checks, "steady").clone()
    };
    let less = points(&[(0.0, 4.0), (2.0, 3.0), (4.0, 4.0)]);
    assert_eq!(steady(less).value, Finite::new(3.0));
    let idle = points(&[(0.0, 4.0), (6.0, 0.0), (8.0, 4.0)]);
    assert!(!steady(idle).passed);
    let mut unseen = points(&[(0.0, 4.0)]);
    unseen.retain(|(at, _)| !(6.0..8.0).contains(at));
    let unseen = steady(unseen);
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
        let (checks, _) = judge_by(
            &scenario,
            &settings,
            &requests(|_| (20, OK)),
            &looks(),
            points(&QUEUE),
            &[],
        );
        find(&checks, "room").clone()
    };
    assert_eq!(with(&[(Setting::MaxReplicas, 4.0)]).value, Finite::new(2.0));
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
        &judge(&requests(|_| (20, OK)), &[(0.0, 4.0), (15.5, 12.0)]),
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

fn pause(start_s: f64, length_s: f64) -> Pause {
    Pause {
        start_s,
        end_s: start_s + length_s,
        worst_ms: length_s * 1e3,
        service: None,
    }
}

/// A healthy service whose driver stands still from `from` to `to`, in ms: what was due meanwhile is sent at its end.
fn paused(from: u64, to: u64) -> Vec<Sample> {
    requests(move |at| {
        let waits = if (from..to).contains(&at) { to - at } else { 0 };
        (waits + 20, OK)
    })
}

/// What the turned checks would be, and what stands.
fn told(doubts: &Doubts) -> (Vec<String>, Vec<String>) {
    let turned = doubts.turned.iter().map(ToString::to_string).collect();
    (turned, doubts.stand.clone())
}

fn titles(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

#[test]
fn what_fails_by_a_pause_alone_holds_without_it() {
    let queue = points(&[(0.0, 4.0), (5.0, 40.0), (5.3, 4.0), (15.5, 150.0)]);
    let (checks, doubts) = judge_without(&paused(4000, 5000), queue, &[pause(4.0, 1.0)]);
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| check.id.as_str())
        .collect();
    assert_eq!(failed, ["p95", "queue"]);
    assert_eq!(
        told(&doubts),
        (
            vec![
                "“p95” holds with 20.0 ms (limit ≤ 200 ms)".to_owned(),
                "“queue” holds with 4 (limit ≤ 8)".to_owned(),
            ],
            vec![]
        )
    );
}

#[test]
fn what_came_before_and_after_a_pause_fails_all_the_same() {
    let slow = requests(|at| if at < 10_000 { (4000, OK) } else { (20, OK) });
    let queue = points(&[(0.0, 40.0), (10.0, 4.0), (15.5, 150.0)]);
    let (_, doubts) = judge_without(&slow, queue.clone(), &[pause(4.0, 2.0)]);
    assert_eq!(told(&doubts), (vec![], titles(&["good", "p95", "queue"])));
    // One that leaves nothing of the phase: 0.5 s before it, and its shadow, too.
    let (_, doubts) = judge_without(&slow, queue.clone(), &[pause(0.5, 4.8)]);
    let nothing = |title| format!("“{title}” can't be judged");
    assert_eq!(
        told(&doubts),
        (["good", "p95", "queue"].map(nothing).to_vec(), vec![])
    );
    let (_, doubts) = judge_without(&slow, queue, &[]);
    assert_eq!(told(&doubts), (vec![], titles(&["good", "p95", "queue"])));
}

#[test]
fn a_recovery_that_a_pause_delays_is_no_late_one() {
    let (checks, doubts) =
        judge_without(&paused(11_500, 12_700), points(&QUEUE), &[pause(11.5, 1.2)]);
    assert!(!find(&checks, "recovery").passed);
    assert_eq!(
        told(&doubts),
        (
            vec!["“recovery” holds with 0 ms (limit ≤ 1 s)".to_owned()],
            vec![]
        )
    );
    let late = requests(|at| {
        if (10_000..12_000).contains(&at) {
            (900, OK)
        } else {
            (20, OK)
        }
    });
    let (_, doubts) = judge_without(&late, points(&QUEUE), &[pause(13.0, 0.5)]);
    assert_eq!(told(&doubts), (vec![], titles(&["recovery"])));
}

#[test]
fn a_backlog_outlives_its_pause() {
    // Half of a second's arrivals is worked off in each second: of one that stood still all is well after two more.
    let drains = requests(|at| match at {
        4000..5000 => (5000 - at + 1000, OK),
        5000..7000 => ((7000 - at) / 2, OK),
        _ => (20, OK),
    });
    let (checks, doubts) = judge_without(&drains, points(&QUEUE), &[pause(4.0, 1.0)]);
    assert!(!find(&checks, "good").passed && !find(&checks, "p95").passed);
    assert_eq!(told(&doubts).1, Vec::<String>::new());
}

#[test]
fn nothing_is_lost_by_a_pause() {
    let queue = points(&[(0.0, 4.0), (15.5, 149.0)]);
    let (_, doubts) = judge_without(&paused(4000, 5000), queue, &[pause(4.0, 1.0)]);
    let (turned, stand) = told(&doubts);
    assert_eq!((turned.len(), stand), (1, titles(&["books"])));
}

#[test]
fn growth_is_judged_at_its_pace_outside_of_the_pauses() {
    let grows = SCENARIO.replacen(
        "stat = \"max\", phases = [\"fault\"] } }\nlimit = { at_most = \"8\" }",
        "stat = \"growth\", phases = [\"fault\"] } }\nlimit = { at_least = \"90\" }",
        1,
    );
    let ok = requests(|_| (20, OK));
    let doubts = |per_second: f64| {
        // Nothing is done for two seconds, nor while what was held up is begun.
        let points = looks().into_iter().map(|look| {
            let stood = (look - 4.0).clamp(0.0, 2.0);
            (look, ((look - stood) * per_second).floor())
        });
        judge_of(&grows, &ok, &looks(), points.collect(), &[pause(4.0, 2.0)]).1
    };
    let (turned, stand) = told(&doubts(10.0));
    assert!(turned[0].starts_with("“queue” holds with "), "{turned:?}");
    assert_eq!(stand, ["books"]);
    let (turned, stand) = told(&doubts(8.0));
    assert_eq!((turned.len(), stand), (0, titles(&["queue", "books"])));
}

/// The queue check, with the looks at these times failed.
fn seen_except(failed: impl Fn(f64) -> bool) -> Check {
    let mut points = points(&QUEUE);
    points.retain(|(look, _)| !failed(*look));
    let (checks, doubts) = judge_without(&requests(|_| (20, OK)), points, &[]);
    let check = find(&checks, "queue").clone();
    // Where that is all that fails, nothing is said of the service.
    let unseen: Vec<&str> = doubts.unseen.iter().map(|of| of.title.as_str()).collect();
    assert_eq!(unseen.contains(&"queue"), !check.passed, "{doubts:?}");
    assert!(!doubts.stand.contains(&"queue".to_owned()), "{doubts:?}");
    check
}

#[test]
fn what_was_not_seen_does_not_hold() {
    let check = seen_except(|look| look > 0.1);
    assert_eq!((check.passed, check.grade), (false, Finite::default()));
    assert_eq!(check.seen, "seen in 2 % of the time; 4");
    // A look can fail now and then, or for a while.
    assert!(seen_except(|look| look % 1.0 < 0.15).passed);
    assert!(seen_except(|look| (3.0..4.9).contains(&look)).passed);
    let gap = seen_except(|look| (3.0..=5.0).contains(&look));
    assert_eq!(
        (gap.passed, gap.seen.as_str()),
        (false, "seen in 79 % of the time; 4")
    );
    let most = seen_except(|look| look % 1.0 < 0.25);
    assert_eq!(
        (most.passed, most.seen.as_str()),
        (false, "seen in 70 % of the time; 4")
    );
    // Too much was seen already.
    let full = points(&[(0.0, 40.0)])[..2].to_vec();
    let (checks, doubts) = judge_without(&requests(|_| (20, OK)), full, &[]);
    assert_eq!(find(&checks, "queue").seen, "40");
    assert!(doubts.stand.contains(&"queue".to_owned()), "{doubts:?}");
}

#[test]
fn what_is_seen_for_most_of_a_long_time_has_no_long_gap() {
    let whole = SCENARIO.replacen(
        ", phases = [\"fault\"] } }\nlimit = { at_most = \"8\" }",
        " } }\nlimit = { at_most = \"8\" }",
        1,
    );
    let seen = |failed: std::ops::Range<f64>| {
        let mut points = points(&[(0.0, 4.0)]);
        points.retain(|(look, _)| !failed.contains(look));
        let ok = requests(|_| (20, OK));
        let (checks, _) = judge_of(&whole, &ok, &looks(), points, &[]);
        find(&checks, "queue").seen.clone()
    };
    assert_eq!(seen(3.0..4.95), "4");
    assert_eq!(seen(3.0..5.05), "not seen for 2.1 s; 4");
}

#[test]
fn a_total_needs_its_end() {
    let mut points = points(&[(0.0, 150.0)]);
    points.retain(|(look, _)| *look < 14.0);
    let (checks, _) = judge_without(&requests(|_| (20, OK)), points.clone(), &[]);
    let books = find(&checks, "books");
    assert_eq!(
        (books.passed, books.seen.as_str()),
        (false, "not seen at the end; 0")
    );
    points.push((15.5, 150.0));
    let (checks, _) = judge_without(&requests(|_| (20, OK)), points, &[]);
    assert!(find(&checks, "books").passed);
}

#[test]
fn looks_are_as_frequent_as_they_can_be() {
    // On a cluster a look may take long; each that came back counts until the next.
    let looks: Vec<f64> = (0..=31).map(|n| f64::from(n) / 2.0).collect();
    let points = looks.iter().map(|look| (*look, 4.0)).collect();
    let ok = requests(|_| (20, OK));
    let (checks, _) = judge_of(SCENARIO, &ok, &looks, points, &[]);
    assert!(
        find(&checks, "queue").passed,
        "{:?}",
        find(&checks, "queue")
    );
    // Where nobody looked, nobody saw.
    let looks: Vec<f64> = (0..=8).map(|n| f64::from(n) * 2.0).collect();
    let points = looks.iter().map(|look| (*look, 4.0)).collect();
    let (checks, _) = judge_of(SCENARIO, &ok, &looks, points, &[]);
    assert_eq!(find(&checks, "queue").seen, "seen in 30 % of the time; 4");
}

#[test]
fn a_gap_that_a_pause_explains_is_no_blindness() {
    let mut points = points(&QUEUE);
    points.retain(|(look, _)| !(4.0..6.5).contains(look));
    let (checks, doubts) = judge_without(&paused(4000, 6400), points, &[pause(4.0, 2.4)]);
    assert!(!find(&checks, "queue").passed);
    let (turned, stand) = told(&doubts);
    assert!(
        turned.contains(&"“queue” holds with 4 (limit ≤ 8)".to_owned()),
        "{turned:?}"
    );
    assert!(stand.is_empty(), "{stand:?}");
}

#[test]
fn a_book_that_could_not_be_read_decides_nothing() {
    let check = |id: &str, measure: &str| {
        format!(
            "[[checks]]\nid = \"{id}\"\nkind = \"correctness\"\ntitle = \"{id}\"\nwhy = \"-\"\n\
             measure = {{ {measure} }}\nlimit = {{ exactly = \"0\" }}\n\n"
        )
    };
    let receipts = SCENARIO.replacen("slo = \"500ms\"", "slo = \"500ms\"\nreceipts = true", 1);
    let scenario = [
        receipts.as_str(),
        &check("receipts", "wrong_receipts = { class = \"user\" }"),
        &check("kept", "ledger = { class = \"user\", count = \"lost\" }"),
    ]
    .concat();
    let ok = requests(|_| (20, OK));
    let (checks, doubts) = judge_of(&scenario, &ok, &looks(), points(&QUEUE), &[]);
    for id in ["receipts", "kept"] {
        let check = find(&checks, id);
        assert_eq!(
            (check.passed, check.seen.as_str()),
            (false, "not seen: too little of the books could be read")
        );
        assert!(doubts.unseen.iter().any(|unseen| unseen.title == id));
        assert!(!doubts.stand.contains(&id.to_owned()));
    }
}
