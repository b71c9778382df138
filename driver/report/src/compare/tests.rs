use lab_record::{EndedEarly, Others, SourceFile, Validity};

use super::*;
use crate::sample::{failing, invalid, passing};

fn exact(ms: f64) -> Quantile {
    Quantile {
        ms,
        censored: false,
    }
}

fn at_least(ms: f64) -> Quantile {
    Quantile { ms, censored: true }
}

fn change(a: Quantile, b: Quantile) -> Change {
    Change::between(Some(a), Some(b), 500.0)
}

#[test]
fn a_direction_needs_a_factor_of_two() {
    let same = Change::NotDistinguishable;
    assert_eq!(change(exact(100.0), exact(51.0)), same);
    assert_eq!(change(exact(100.0), exact(199.0)), same);
    let twice = Ratio {
        times: 2.0,
        at_least: false,
    };
    assert_eq!(change(exact(100.0), exact(50.0)), Change::Lower(twice));
    assert_eq!(change(exact(100.0), exact(200.0)), Change::Higher(twice));
    // Ten times, and nobody who was promised 500 ms can tell.
    assert_eq!(change(exact(2.0), exact(20.0)), same);
}

#[test]
fn a_lower_bound_can_only_be_the_larger() {
    let ratio = Ratio {
        times: 10.0,
        at_least: true,
    };
    assert_eq!(change(at_least(100.0), exact(10.0)), Change::Lower(ratio));
    assert_eq!(change(exact(10.0), at_least(100.0)), Change::Higher(ratio));
    let same = Change::NotDistinguishable;
    assert_eq!(change(at_least(10.0), exact(100.0)), same);
    assert_eq!(change(exact(100.0), at_least(10.0)), same);
    assert_eq!(change(at_least(10.0), at_least(100.0)), same);
}

#[test]
fn what_has_no_value_has_no_direction() {
    assert_eq!(
        Change::between(None, Some(exact(1.0)), 500.0),
        Change::Unmeasured
    );
    assert_eq!(
        Change::between(Some(exact(1.0)), None, 500.0),
        Change::Unmeasured
    );
    for odd in [0.0, f64::NAN, f64::INFINITY] {
        assert_eq!(change(exact(odd), exact(1.0)), Change::NotDistinguishable);
    }
}

/// More than one in a hundred gets no answer in either run, where a process is killed on purpose.
#[test]
fn a_percentile_that_nobody_knows_is_not_compared() {
    let (mut a, mut b) = (failing(), passing());
    let beyond = Some(Quantile {
        ms: 9990.0,
        censored: true,
    });
    for class in a.classes.iter_mut().chain(&mut b.classes) {
        for stats in class.by_phase.iter_mut().chain([&mut class.total]) {
            stats.latency.p99 = beyond;
        }
    }
    let pairs = Comparison::of(&a, &b).classes;
    assert!(pairs.iter().all(|pair| pair.latency.name == "p95"));
    assert!(
        pairs
            .iter()
            .any(|pair| matches!(pair.change, Change::Lower(_)))
    );
    for class in &mut b.classes {
        class.total.latency.p95 = beyond;
        for stats in &mut class.by_phase {
            stats.latency.p95 = beyond;
        }
    }
    let told = Comparison::of(&b, &b).classes;
    assert!(told.iter().all(|pair| pair.latency.name == "p50"));
}

#[test]
fn one_sentence_sums_it_up() {
    let sentence = |a: &Run, b: &Run| Comparison::of(a, b).sentence().replace('\u{a0}', " ");
    let (failing, passing, invalid) = (failing(), passing(), invalid());
    assert_eq!(
        sentence(&failing, &passing),
        "B (solved) holds where A (mine, the starter’s text) did not: score 23 → 97, 3 checks newly pass, and p99 of \
         local (bystander) in phase fault fell from ≥ 9.10 s to 4.10 ms."
    );
    assert_eq!(
        sentence(&passing, &failing),
        "B (mine, the starter’s text) does not hold where A (solved) did: score 97 → 23, 3 checks newly fail, and p99 of \
         local (bystander) in phase fault rose from 4.10 ms to ≥ 9.10 s."
    );
    assert_eq!(
        sentence(&passing, &passing),
        "Both A (solved) and B (solved) hold: score 97 → 97, no check changed sides, and the latency \
         is not distinguishable."
    );
    // As after a step whose latency is bounded by the patience of its clients.
    let alike = Run {
        classes: failing.classes.clone(),
        ..passing.clone()
    };
    assert_eq!(
        sentence(&failing, &alike),
        "B (solved) holds where A (mine, the starter’s text) did not: score 23 → 97, 3 checks newly pass."
    );
    assert_eq!(
        sentence(&failing, &invalid),
        "B is INVALID, so nothing can be said of the difference."
    );
}

#[test]
fn nothing_is_called_significant() {
    for (a, b) in [(failing(), passing()), (passing(), passing())] {
        let comparison = Comparison::of(&a, &b);
        assert!(!format!("{comparison:?}{}", comparison.sentence()).contains("significant"));
    }
}

#[test]
fn what_makes_a_comparison_doubtful_is_said() {
    assert_eq!(
        Comparison::of(&failing(), &passing()).cautions,
        Vec::<String>::new()
    );
    let a = failing();
    let mut b = invalid();
    b.platform = "k3d".to_owned();
    b.host.cores = 8;
    b.complete = false;
    let cautions = Comparison::of(&a, &b)
        .cautions
        .join("\n")
        .replace('\u{a0}', " ");
    insta::assert_snapshot!(cautions, @r"
    The platform differs: A local, B k3d.
    The machine differs: A linux x86_64 with 2 cores, B linux x86_64 with 8 cores.
    B was cut short after 65.2 s.
    The measurement of B is INVALID (send lateness).
    ");
}

#[test]
fn checks_of_either_run_are_paired_by_id() {
    let mut a = failing();
    let mut b = passing();
    a.checks.remove(0);
    b.checks.remove(1);
    let pairs = Comparison::of(&a, &b).checks;
    let found: Vec<_> = pairs
        .iter()
        .map(|pair| (pair.id.as_str(), pair.a.is_some(), pair.b.is_some()))
        .collect();
    assert_eq!(
        found,
        [
            ("bystander_good", false, true),
            ("in_flight", true, true),
            ("recovery", true, true),
            ("receipts", true, true),
            ("quotes_ok", true, false),
        ]
    );
}

#[test]
fn the_code_is_compared_line_by_line() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let a = [file("a.rs", "one\ntwo\nthree\n"), file("same.rs", "x\n")];
    let b = [
        file("a.rs", "one\n2\nthree\n"),
        file("same.rs", "x\n"),
        file("new.rs", "y"),
    ];
    let diffs = source::diffs(&a, &b);
    let paths: Vec<_> = diffs
        .iter()
        .map(|diff| (diff.path.as_str(), diff.added, diff.removed))
        .collect();
    assert_eq!(paths, [("a.rs", 1, 1), ("new.rs", 1, 0), ("same.rs", 0, 0)]);
    let lines: Vec<_> = diffs[0].hunks[0]
        .iter()
        .map(|line| (line.tag, line.old, line.new, line.text.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (LineTag::Kept, Some(1), Some(1), "one"),
            (LineTag::Removed, Some(2), None, "two"),
            (LineTag::Added, None, Some(2), "2"),
            (LineTag::Kept, Some(3), Some(3), "three"),
        ]
    );
    assert!(diffs[2].hunks.is_empty());
}

/// A run of that second.
fn at(second: &str, starter: bool, outcome: Outcome) -> Run {
    let mut run = failing();
    run.run_id = format!("20260101T0000{second}Z-0000").parse().unwrap();
    run.starter = starter;
    run.verdict.outcome = outcome;
    run
}

/// What `run` is compared with: where everybody began, the run before, and the one since which the scenario changed; by
/// their seconds.
fn others(runs: &[Run], run: &Run) -> [String; 3] {
    let Others {
        began,
        previous,
        changed_since,
    } = Others::among(runs, run);
    [began, previous, changed_since]
        .map(|other| other.map_or_else(String::new, |run| run.run_id.as_str()[13..15].to_owned()))
}

#[test]
fn only_runs_of_the_same_platform_are_compared() {
    let mut elsewhere = at("01", true, Outcome::Fail);
    elsewhere.platform = "k3d".to_owned();
    let runs = [elsewhere, at("02", true, Outcome::Fail)];
    assert_eq!(
        others(&runs, &at("03", false, Outcome::Pass)),
        ["02", "", ""]
    );
    assert_eq!(others(&runs, &runs[1]), ["", "", ""]);
}

#[test]
fn a_run_is_compared_with_where_everybody_began_and_with_the_run_before() {
    let mut suspect = at("05", true, Outcome::Fail);
    suspect.self_check.validity = Validity::Suspect;
    let mut reference = at("07", false, Outcome::Pass);
    reference.code = "solved".to_owned();
    let runs = [
        at("01", true, Outcome::Invalid),
        at("02", false, Outcome::Fail),
        at("03", true, Outcome::Fail),
        at("04", true, Outcome::Fail),
        suspect,
        at("06", false, Outcome::Fail),
        reference,
    ];
    // The newest start that is VALID, and of the runs in between the newest of the same code.
    assert_eq!(
        others(&runs, &at("08", false, Outcome::Pass)),
        ["04", "06", ""]
    );
    // The start is the run before: one comparison, not two.
    assert_eq!(
        others(&runs, &at("05", false, Outcome::Pass)),
        ["04", "", ""]
    );
    // A wrong attempt is no start, nor is what is INVALID.
    assert_eq!(others(&runs, &runs[2]), ["", "02", ""]);
    assert_eq!(others(&runs, &runs[1]), ["", "", ""]);
    // A start that casts a doubt is better than none.
    assert_eq!(
        others(&runs[4..], &at("08", false, Outcome::Pass)),
        ["05", "06", ""]
    );
    // What says nothing is compared with nothing, and nothing with it.
    for silent in [Outcome::Invalid, Outcome::Cancelled] {
        assert_eq!(others(&runs, &at("08", false, silent)), ["", "", ""]);
        let runs = [at("01", true, silent), at("02", false, silent)];
        assert_eq!(others(&runs, &at("03", false, Outcome::Pass)), ["", "", ""]);
    }
}

#[test]
fn nothing_is_compared_across_a_change_of_the_scenario() {
    let runs = [
        at("04", true, Outcome::Fail),
        at("05", false, Outcome::Pass),
    ];
    let mut other = at("06", false, Outcome::Pass);
    other.scenario.digest = Some("fedcba9876543210".to_owned());
    assert_eq!(others(&runs, &other), ["", "", "05"]);
    // A comment more.
    let mut other = at("06", false, Outcome::Pass);
    other.scenario.toml.push('#');
    assert_eq!(others(&runs, &other), ["04", "05", ""]);
    // Before there were digests only the whole text tells.
    other.scenario.digest = None;
    assert_eq!(others(&runs, &other), ["", "", "05"]);
    other.scenario.toml.pop();
    assert_eq!(others(&runs, &other), ["04", "05", ""]);
}

#[test]
fn what_ended_early_was_not_measured_whole() {
    let early = |mut run: Run| {
        run.ended_early = Some(EndedEarly {
            at_s: 8.2,
            reasons: Vec::new(),
            undecided: Vec::new(),
        });
        run
    };
    let runs = [
        at("04", true, Outcome::Fail),
        at("05", false, Outcome::Pass),
    ];
    let later = at("06", false, Outcome::Pass);
    assert_eq!(others(&runs, &early(later.clone())), ["", "", ""]);
    assert_eq!(others(&runs.map(early), &later), ["", "", ""]);
}

#[test]
fn a_file_that_an_earlier_edit_changed_is_not_called_the_same_as_in_the_beginning() {
    let (began, mut wrong, mut right) = (
        at("01", true, Outcome::Fail),
        at("02", false, Outcome::Fail),
        at("03", false, Outcome::Pass),
    );
    let deployment = |text: &str| SourceFile {
        path: "deploy.yaml".to_owned(),
        text: text.to_owned(),
    };
    wrong.sources.push(deployment("cpu: 50m"));
    right.sources.push(deployment("cpu: 100m"));
    for run in [&mut wrong, &mut right] {
        run.sources[0].text.push_str("// mine\n");
    }
    let comparison = Comparison::of(&wrong, &right).beside(&right, Some(&began));
    let told: Vec<_> = comparison
        .sources
        .iter()
        .map(|file| (file.hunks.len(), file.differs_from_start))
        .collect();
    assert_eq!(told, [(1, true), (0, true)]);
    let same = Comparison::of(&began, &began).beside(&began, Some(&began));
    assert!(!same.sources[0].differs_from_start);
}

#[test]
fn a_verdict_is_told_with_what_fails_and_a_text_by_whose_it_is() {
    let mut run = failing();
    assert_eq!(run.telling(), run.headline());
    assert_eq!(run.code_words(), "mine, the starter’s text");
    assert_eq!(run.way_to_a_start(), None, "it is one");
    let headline = run.scenario.headline.clone();
    for check in &mut run.checks {
        check.passed |= check.id == headline;
    }
    let telling = run.telling().expect("a check that fails");
    assert!(!telling.passed, "{telling:?}");
    let heavier = |check: &&Check| !check.passed && check.weight > telling.weight;
    assert_eq!(run.checks.iter().find(heavier), None);

    run.starter = false;
    assert_eq!(run.code_words(), "mine");
    let way = run.way_to_a_start().expect("nothing to compare with");
    assert!(way.contains("`make step1 CODE=starter`"), "{way}");
    assert_eq!(invalid().way_to_a_start(), None);
    assert_eq!(passing().way_to_a_start(), None, "of the reference");
}
