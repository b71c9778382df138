//! Made-up runs for tests: a failing and a passing one of step 1, as real ones look.

use std::{collections::BTreeMap, time::Duration};

use lab_record::{
    Bars, Cause, Check, CheckKind, Class, EndedEarly, Ends, Event, EventKind, Figure, Finding,
    Finite, Guess, Host, Ink, Latency, Level, Outcome, Phase, PhaseStats, Points, Quantile, Run,
    RunId, SCHEMA, Scenario, SelfCheck, Series, SourceFile, Stage, StagePart, Totals, Validity,
    Verdict,
};

const LENGTH: f64 = 62.0;
const FAULT: std::ops::Range<f64> = 20.0..45.0;

/// The starter: it fails.
pub fn failing() -> Run {
    let source = include_str!("sample/before.txt");
    let mut run = run("20261123T151302Z-4f2a", "mine", source);
    run.starter = true;
    run.classes = vec![
        class(
            "quote",
            false,
            [1860, 1420, 0, 15, 425],
            [4100.0, 9800.0, 10_000.0],
        ),
        class(
            "local",
            true,
            [620, 401, 0, 0, 219],
            [1210.0, 7310.0, 9100.0],
        ),
    ];
    run.checks = checks([
        ("41.2 %", false, 0.0),
        ("76.3 %", true, 1.0),
        ("208", false, 0.0),
        ("9.8 s", false, 0.1),
        ("1 420 of 1 420", true, 1.0),
    ]);
    run.verdict = Verdict {
        outcome: Outcome::Fail,
        score: Some(23),
    };
    run.series = series(true);
    run.stage = Some(stage());
    run.guess = Some(guess());
    run
}

/// The same of a run that answers nothing.
fn unanswered() -> Guess {
    Guess {
        measured: None,
        ..guess()
    }
}

fn guess() -> Guess {
    let figure = |value| Figure {
        value: Finite::new(value).unwrap(),
        at_least: false,
    };
    Guess {
        question: "How many of the bystanders get a good answer while the dependency hangs?"
            .to_owned(),
        unit: "%".to_owned(),
        check: "bystander_good".to_owned(),
        guessed: Finite::new(80.0),
        law: figure(40.0),
        sum: "16 slots ÷ 1.6/s = 10 s, of 25 s: 40 %".to_owned(),
        differs: "Calls do not hang like clockwork.".to_owned(),
        measured: Some(figure(41.2)),
    }
}

/// The reference: it passes.
pub fn passing() -> Run {
    let source = include_str!("sample/after.txt");
    let mut run = run("20261123T153127Z-a01c", "solved", source);
    run.classes = vec![
        class(
            "quote",
            false,
            [1860, 1560, 300, 0, 0],
            [21.0, 103.0, 104.0],
        ),
        class("local", true, [620, 620, 0, 0, 0], [1.2, 3.1, 4.1]),
    ];
    run.checks = checks([
        ("100 %", true, 1.0),
        ("83.9 %", true, 1.0),
        ("4", true, 1.0),
        ("0.4 s", true, 0.8),
        ("1 560 of 1 560", true, 1.0),
    ]);
    run.verdict = Verdict {
        outcome: Outcome::Pass,
        score: Some(97),
    };
    run.series = series(false);
    run.stage = Some(stage());
    run
}

/// A run that was ended because a check could not hold any more.
pub fn early() -> Run {
    let mut run = failing();
    let undecided = run.checks.split_off(1);
    run.ended_early = Some(EndedEarly {
        at_s: 23.4,
        reasons: vec![
            "“Bystanders get a good answer in time” is at most 98.8 %, limit ≥ 99 %".to_owned(),
        ],
        undecided: undecided.into_iter().map(|check| check.title).collect(),
    });
    run.complete = false;
    run.verdict.score = None;
    run.guess = Some(unanswered());
    run
}

/// A run whose measurement can't be believed.
pub fn invalid() -> Run {
    let mut run = failing();
    run.run_id = id("20261123T154000Z-0bad");
    run.guess = Some(unanswered());
    run.verdict = Verdict {
        outcome: Outcome::Invalid,
        score: None,
    };
    run.self_check.validity = Validity::Invalid;
    run.self_check.findings[0] = Finding {
        name: "send lateness".to_owned(),
        validity: Validity::Invalid,
        text:
            "p99 84.0 ms in the worst second, limit 20 ms: the machine was too busy to send on time"
                .to_owned(),
    };
    run
}

fn id(name: &str) -> RunId {
    name.parse().unwrap()
}

fn run(name: &str, code: &str, source: &str) -> Run {
    let run_id = id(name);
    let started_at = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &name[0..4],
        &name[4..6],
        &name[6..8],
        &name[9..11],
        &name[11..13],
        &name[13..15]
    );
    Run {
        schema: SCHEMA,
        run_id,
        scenario: Scenario {
            name: "timeouts".to_owned(),
            step: Some(1),
            title: "A dependency hangs, and its neighbours pay".to_owned(),
            summary: "Every 5th call to the dependency hangs for 5 s. Watch the bystander, which never \
                      calls it."
                .to_owned(),
            headline: "bystander_good".to_owned(),
            edit: vec!["lab-services/src/cases/timeouts.rs".to_owned()],
            toml: "name = \"timeouts\"\n\n[[class]]\nname = \"quote\"\nrate = 30 # so that 20 % × 5 s × 30/s = 30 > 16 slots; see https://example.org/littles-law\n"
                .to_owned(),
            digest: Some("0123456789abcdef".to_owned()),
        },
        code: code.to_owned(),
        platform: "local".to_owned(),
        started_at: started_at.parse().unwrap(),
        duration_s: LENGTH + 3.2,
        complete: true,
        ended_early: None,
        host: Host {
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            kernel: "6.1.0".to_owned(),
            cores: 2,
        },
        versions: BTreeMap::from([
            ("driver".to_owned(), "0.1.0".to_owned()),
            ("rustc".to_owned(), "1.95.0".to_owned()),
        ]),
        starter: code == "starter",
        sources: vec![SourceFile {
            path: "lab-services/src/cases/timeouts.rs".to_owned(),
            text: source.to_owned(),
        }],
        phases: phases(),
        classes: Vec::new(),
        series: Vec::new(),
        stage: None,
        pauses: Vec::new(),
        load_pods: Vec::new(),
        send_loops: Vec::new(),
        target: None,
        events: vec![
            event(-0.8, EventKind::Note, "Stack is ready"),
            event(FAULT.start, EventKind::Fault, "Every 5th call hangs for 5 s"),
            event(FAULT.end, EventKind::Fault, "Fault is off"),
        ],
        checks: Vec::new(),
        guess: None,
        verdict: Verdict {
            outcome: Outcome::Fail,
            score: Some(0),
        },
        self_check: SelfCheck {
            validity: Validity::Valid,
            findings: vec![
                finding("send lateness", "p99 0.21 ms in the worst second, limit 20 ms"),
                finding("books", "2 480 offered = 2 480 sent + 0 dropped"),
                finding("hiccups", "longest 3.1 ms, limit 100 ms"),
            ],
        },
    }
}

fn stage() -> Stage {
    let part = |id: &str, label: &str, ink, series: &str| StagePart {
        id: id.to_owned(),
        label: label.to_owned(),
        ink,
        series: series.to_owned(),
    };
    Stage {
        title: "The api's admission slots".to_owned(),
        place: "slots taken".to_owned(),
        free: "free".to_owned(),
        places: Level::Value(16.into()),
        taken: vec![part("calls", "calling", Ink::Stuck, "dep")],
        waiting: "wait outside".to_owned(),
        line: vec![part("requests", "requests", Ink::Wait, "waiting")],
        refused: Vec::new(),
        gauges: Vec::new(),
    }
}

fn phases() -> Vec<Phase> {
    let phase = |name: &str, start_s, end_s, fault: Option<&str>| Phase {
        name: name.to_owned(),
        start_s,
        end_s,
        fault: fault.map(str::to_owned),
    };
    vec![
        phase("warmup", 0.0, 5.0, None),
        phase("healthy", 5.0, FAULT.start, None),
        phase(
            "fault",
            FAULT.start,
            FAULT.end,
            Some("every 5th call hangs for 5 s"),
        ),
        phase("recovery", FAULT.end, LENGTH, None),
    ]
}

fn event(t_s: f64, kind: EventKind, text: &str) -> Event {
    Event {
        t_s,
        kind,
        text: text.to_owned(),
    }
}

fn finding(name: &str, text: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        validity: Validity::Valid,
        text: text.to_owned(),
    }
}

fn checks(seen: [(&str, bool, f64); 5]) -> Vec<Check> {
    use CheckKind::{Correctness, Effect, Mechanism};
    let stated = [
        (
            "bystander_good",
            Effect,
            "Bystanders get a good answer in time",
            "≥ 99 %",
        ),
        ("quotes_ok", Effect, "Quotes are answered", "≥ 72 %"),
        (
            "in_flight",
            Mechanism,
            "Requests in flight stay bounded",
            "≤ 8",
        ),
        (
            "recovery",
            Mechanism,
            "All is well again after the fault",
            "≤ 3 s",
        ),
        (
            "receipts",
            Correctness,
            "Every receipt is the dependency's own",
            "all",
        ),
    ];
    stated
        .into_iter()
        .zip(seen)
        .map(|((id, kind, title, limit), (seen, passed, grade))| Check {
            series: shown_by(id),
            id: id.to_owned(),
            kind,
            title: title.to_owned(),
            why: "A request that waits for the dependency holds a slot. The limit is half of the 16 slots."
                .to_owned(),
            limit: limit.to_owned(),
            seen: seen.to_owned(),
            value: Finite::new(grade),
            passed,
            grade: Finite::new(grade).unwrap_or_default(),
            weight: 1.into(),
        })
        .collect()
}

/// The series that show what a check measures.
fn shown_by(check: &str) -> Vec<String> {
    let series = match check {
        "bystander_good" | "recovery" => "p95:local",
        "quotes_ok" => "ok",
        "in_flight" => "in_flight",
        _ => return Vec::new(),
    };
    vec![series.to_owned()]
}

/// So many times, half of them as in a healthy run, the others up to the 99th percentile, or up to a patience of 10 s.
fn answers(ok: u64, [p50, _, p99]: [f64; 3]) -> Bars {
    let healthy = p50.min(20.0);
    let mut bars = Bars::default();
    let longest = p99.min(9_900.0);
    for n in 0..ok {
        let share = n as f64 / ok as f64;
        let ms = if n % 2 == 0 {
            healthy * (0.5 + share)
        } else {
            healthy * (longest / healthy).powf(share)
        };
        bars.add(Duration::from_secs_f64(ms.min(longest) / 1e3));
    }
    bars
}

fn class(name: &str, bystander: bool, counts: [u64; 5], ms: [f64; 3]) -> Class {
    let [offered, ok, expected, failed, timed_out] = counts;
    let exact = |ms| {
        Some(Quantile {
            ms,
            censored: false,
        })
    };
    let latency = Latency {
        p50: exact(ms[0]),
        p95: exact(ms[1]),
        p99: Some(Quantile {
            ms: ms[2],
            censored: timed_out > 0,
        }),
        max: Some(Quantile {
            ms: ms[2] * 1.1,
            censored: timed_out > 0,
        }),
    };
    let whole = PhaseStats {
        phase: "all".to_owned(),
        counts: Totals {
            offered,
            dropped: 0,
            sent: offered,
            ok,
            expected,
            failed,
            timed_out,
            unfinished: 0,
        },
        ends: ends(ok, expected, failed),
        good_share: ok as f64 / offered as f64,
        answers: answers(ok, ms),
        service_time: latency.clone(),
        refusals: Latency {
            p99: exact(ms[1]).filter(|_| expected > 0),
            ..Latency::default()
        },
        latency,
    };
    let by_phase = phases().into_iter().map(|phase| PhaseStats {
        phase: phase.name,
        ..whole.clone()
    });
    Class {
        name: name.to_owned(),
        request: format!(
            "GET /cases/{}",
            if bystander { "local" } else { "timeouts" }
        ),
        bystander,
        slo_ms: 500.0,
        timeout_ms: 10_000.0,
        ok: vec![200],
        expected: vec![504],
        by_phase: by_phase.collect(),
        total: whole,
    }
}

fn ends(ok: u64, expected: u64, failed: u64) -> Ends {
    let broken = failed.min(3);
    let statuses = [(200, ok), (504, expected), (500, failed - broken)];
    let errors = [
        (Cause::Refused, broken - broken.min(1)),
        (Cause::Reset, broken.min(1)),
    ];
    Ends {
        statuses: statuses.into_iter().filter(|(_, n)| *n > 0).collect(),
        errors: errors.into_iter().filter(|(_, n)| *n > 0).collect(),
    }
}

/// Twice a second, as the collectors do.
fn series(suffers: bool) -> Vec<Series> {
    let slo = Some(("objective", 500.0));
    let slots = Some(("slots", 16.0));
    // Id, label, unit, chart, limit, and the level when healthy, when at fault, and its noise.
    let quantities = [
        (
            "offered",
            "offered",
            "req/s",
            "Traffic",
            None,
            [40.0, 40.0, 0.0],
        ),
        ("sent", "sent", "req/s", "Traffic", None, [40.0, 40.0, 0.02]),
        ("ok", "ok", "req/s", "Traffic", None, [40.0, 17.0, 0.05]),
        (
            "failed",
            "failed",
            "req/s",
            "Traffic",
            None,
            [0.0, 21.0, 0.1],
        ),
        (
            "p50:quote",
            "quote p50",
            "ms",
            "Latency",
            None,
            [21.0, 4200.0, 0.1],
        ),
        (
            "p95:quote",
            "quote p95",
            "ms",
            "Latency",
            slo,
            [24.0, 9400.0, 0.15],
        ),
        (
            "p50:local",
            "local p50",
            "ms",
            "Latency",
            None,
            [1.2, 1400.0, 0.2],
        ),
        (
            "p95:local",
            "local p95",
            "ms",
            "Latency",
            slo,
            [3.0, 7300.0, 0.3],
        ),
        (
            "in_flight",
            "in flight",
            "requests",
            "In flight",
            slots,
            [2.0, 200.0, 0.1],
        ),
        (
            "waiting",
            "waiting",
            "requests",
            "In flight",
            None,
            [0.0, 184.0, 0.1],
        ),
        (
            "dep",
            "dep calls",
            "requests",
            "Dependency",
            None,
            [2.0, 16.0, 0.05],
        ),
        ("hiccup", "hiccup", "ms", "Driver", None, [0.4, 0.5, 0.9]),
        ("cpu", "cpu", "%", "Driver", None, [4.0, 5.0, 0.3]),
    ];
    let mut noise = Noise(7);
    quantities
        .map(|(id, label, unit, chart, limit, levels)| Series {
            id: id.to_owned(),
            label: label.to_owned(),
            unit: unit.to_owned(),
            chart: Some(chart.to_owned()),
            limit: limit.and_then(|(name, value)| Some((name.to_owned(), Finite::new(value)?))),
            points: points(suffers, levels, &mut noise),
        })
        .into()
}

fn points(suffers: bool, [healthy, at_fault, spread]: [f64; 3], noise: &mut Noise) -> Points {
    (0..124)
        .map(|n| {
            let t = f64::from(n) * 0.5;
            // What builds up takes a while.
            let rise = ((t - FAULT.start) / 6.0).clamp(0.0, 1.0);
            let hurt = f64::from(u8::from(suffers && FAULT.contains(&t)));
            let level = healthy + (at_fault - healthy) * rise * hurt;
            (t, (level * (1.0 + spread * noise.next())).max(0.0))
        })
        .collect()
}

/// Even noise between −1 and 1, the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}
