//! From what was measured to the record of a run: figures by class, series, checks, verdict.

use std::{borrow::Cow, time::Duration};

use lab_load::{
    Cells, Found, Recording,
    summary::{self, Window, windows},
};
use lab_record::{
    Address, Finite, Handshakes, Line, Outcome, Phase, PlannedClass, Run, RunId, SCHEMA, SelfCheck,
    SendLoop, Series, Stage, Target, Validity, Verdict,
};
use lab_remote::Sent;

use super::{
    Order, Played,
    course::Early,
    guess::{self, Came},
};
use crate::{
    host, limits, pauses,
    scenario::Scenario,
    score::{self, Measured},
    selfcheck::{self, Standstills},
};

/// Width of a point of the traffic and latency charts: some requests of every class lie in it.
const WINDOW: Duration = Duration::from_millis(500);

/// Puts a run together.
pub(super) fn assemble(order: &Order<'_>, run_id: RunId, played: Played) -> Run {
    let scenario = order.scenario;
    let recording = &played.sent.recording;
    let classes = summary::classes(&played.plan, &recording.cells);
    let books = summary::verify_books(&played.plan, recording, &classes);
    let limits = selfcheck::Limits {
        lateness: scenario.lateness_limit,
        addresses_go: scenario.phases.iter().any(|phase| phase.roll.is_some())
            && !order.platform.is_sent_from_here(),
        ..selfcheck::Limits::default()
    };
    let early = played.early.as_ref();
    let ended_early = early.map(|early| early.record(scenario));
    let decided = decided(scenario, early);
    let measured = Measured {
        scenario: &decided,
        cells: &recording.cells,
        series: &played.observation.series,
        looks: &played.observation.looks,
        books: &played.books,
        settings: &played.settings,
        disturbed: &[],
    };
    let checks = score::checks(&measured);
    let decisive = pauses::of_the_driver(&recording.hiccups, pauses::decisive(limits.lateness));
    let decisive = [decisive, played.observation.standstills.clone()].concat();
    let standstills = Standstills {
        pauses: &decisive,
        doubts: &score::doubts(&measured, &checks, &decisive),
        patience: patience(scenario),
    };
    let mut self_check = selfcheck::judge(
        recording,
        &played.sent.pods,
        &books,
        played.broken.as_deref(),
        &standstills,
        &limits,
    );
    if recording.connects.starved > 0 && order.platform.is_sent_from_here() {
        name_the_limit(&mut self_check);
    }
    let verdict = if played.interrupted {
        without_score(Outcome::Cancelled)
    } else if ended_early.is_some() && self_check.validity != Validity::Invalid {
        // A score is of all checks.
        without_score(Outcome::Fail)
    } else {
        score::verdict(&checks, self_check.validity)
    };
    let came = Came {
        starter: played.sources.starter,
        whole: ended_early.is_none(),
        checks: &checks,
        verdict,
    };
    let guess = guess::answered(scenario, order.guess, &came);
    let mut versions = host::versions(order.root);
    versions.extend(order.platform.versions());
    let mut series = load_series(scenario, &recording.cells, recording.wall);
    series.extend(played.observation.series);
    let mut all_pauses = pauses::of_the_driver(&recording.hiccups, limits.lateness);
    all_pauses.extend(played.observation.standstills);
    Run {
        schema: SCHEMA,
        run_id,
        scenario: lab_record::Scenario {
            name: scenario.name.clone(),
            step: scenario.step,
            title: scenario.title.clone(),
            summary: scenario.summary.clone(),
            headline: scenario.headline.get_ref().clone(),
            edit: scenario.edit.clone(),
            toml: scenario.text.clone(),
            digest: Some(scenario.digest.clone()),
        },
        code: order.code.to_string(),
        platform: order.platform.name().to_owned(),
        load_pods: played.sent.pods.iter().map(selfcheck::pod_record).collect(),
        send_loops: send_loops(&played.sent),
        target: played.found.map(|found| target(&found, recording)),
        started_at: played.started_at,
        duration_s: recording.wall.as_secs_f64(),
        complete: played.broken.is_none() && !played.interrupted && ended_early.is_none(),
        ended_early,
        host: host::host(),
        versions,
        sources: played.sources.files,
        starter: played.sources.starter,
        phases: phases(scenario),
        classes,
        series,
        stage: played.stage,
        events: played.events,
        pauses: all_pauses,
        verdict,
        checks,
        guess,
        self_check,
    }
}

/// Those of the driver; a pod's are the pod's.
fn send_loops(sent: &Sent) -> Vec<SendLoop> {
    let recording = &sent.recording;
    let loops = recording.loops.iter().filter(|_| sent.pods.is_empty());
    let record = |one| selfcheck::loop_record(one, recording.wall);
    loops.map(record).collect()
}

fn without_score(outcome: Outcome) -> Verdict {
    Verdict {
        outcome,
        score: None,
    }
}

/// Says which limit of this machine kept connections from being opened.
fn name_the_limit(self_check: &mut SelfCheck) {
    let mut findings = self_check.findings.iter_mut();
    if let Some(finding) = findings.find(|finding| finding.name == "connections") {
        finding.text.push_str(&limits::of_connections());
    }
}

/// The scenario as far as a run has decided it.
fn decided<'a>(scenario: &'a Scenario, early: Option<&Early>) -> Cow<'a, Scenario> {
    let mut decided = Cow::Borrowed(scenario);
    if let Some(early) = early {
        decided.to_mut().checks.retain(|check| early.decides(check));
    }
    decided
}

/// What each address of somebody's service was used for: those that the load went to, in its order, then the others.
fn target(found: &Found, recording: &Recording) -> Target {
    let of = |address| recording.addresses.iter().find(|of| of.address == address);
    let taking = found.taking.iter().map(|&address| Address {
        address: address.to_string(),
        requests: of(address).map_or(0, |of| of.requests),
        refused: of(address).map_or(0, |of| of.refused),
        left_out: None,
    });
    let left_out = found.left_out.iter().map(|(address, why)| Address {
        address: address.to_string(),
        requests: 0,
        refused: 0,
        left_out: Some(why.clone()),
    });
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Target {
        addresses: taking.chain(left_out).collect(),
        handshakes: recording.handshakes.map(|seen| Handshakes {
            count: seen.count,
            p50_ms: ms(seen.p50),
            max_ms: ms(seen.max),
        }),
    }
}

/// How long the least patient client waits.
fn patience(scenario: &Scenario) -> Duration {
    let timeouts = scenario.classes.iter().map(|class| class.timeout);
    timeouts.min().unwrap_or(Duration::MAX)
}

/// What will happen, for who follows the run.
pub(super) fn planned(scenario: &Scenario, stage: Option<&Stage>) -> Line {
    let classes = scenario.classes.iter().map(|class| PlannedClass {
        name: class.name.clone(),
        bystander: class.bystander,
        slo_ms: class.slo.as_secs_f64() * 1e3,
    });
    let api = scenario.services.api.as_ref();
    Line::Planned {
        phases: phases(scenario),
        classes: classes.collect(),
        scales: api.is_some_and(|api| api.autoscaled || api.rolled.is_some()),
        stage: stage.cloned().map(Box::new),
    }
}

fn phases(scenario: &Scenario) -> Vec<Phase> {
    scenario
        .spans()
        .map(|(phase, start, end)| Phase {
            name: phase.name.clone(),
            start_s: start.as_secs_f64(),
            end_s: end.as_secs_f64(),
            fault: phase.fault.as_ref().map(|fault| fault.text.clone()),
        })
        .collect()
}

/// What the load itself shows over time: traffic of all classes together, latency of each.
fn load_series(scenario: &Scenario, cells: &Cells, wall: Duration) -> Vec<Series> {
    let classes = 0..scenario.classes.len();
    let by_class: Vec<Vec<Window>> = classes.map(|class| windows(cells, class, WINDOW)).collect();
    let windows_seen = by_class.iter().map(Vec::len).max().unwrap_or(0);
    // The last window is cut short by the end; as a rate it would look like a fall.
    let whole = (wall.as_nanos() / WINDOW.as_nanos()) as usize;
    let shown = windows_seen.min(whole);
    let middle = |n: usize| (n as f64 + 0.5) * WINDOW.as_secs_f64();
    let traffic = |id: &str, label: &str, count: fn(&Window) -> u64| Series {
        id: id.to_owned(),
        label: label.to_owned(),
        unit: "req/s".to_owned(),
        chart: Some("Traffic".to_owned()),
        limit: None,
        points: (0..shown)
            .map(|n| {
                let total: u64 = by_class
                    .iter()
                    .filter_map(|windows| windows.get(n))
                    .map(count)
                    .sum();
                (middle(n), total as f64 / WINDOW.as_secs_f64())
            })
            .collect(),
    };
    let latency = scenario
        .classes
        .iter()
        .zip(&by_class)
        .map(|(class, windows)| Series {
            id: format!("p95:{}", class.name),
            label: lab_record::called(&class.name, class.bystander),
            unit: "ms".to_owned(),
            chart: Some("Latency, p95 from the intended send".to_owned()),
            limit: Finite::new(class.slo.as_secs_f64() * 1e3)
                .map(|slo| (format!("SLO of {}", class.name), slo)),
            points: windows
                .iter()
                .enumerate()
                .filter_map(|(n, window)| Some((middle(n), window.latency.p95?.ms)))
                .collect(),
        });
    let mut series = vec![
        traffic("offered", "offered", |window| window.offered),
        traffic("sent", "sent", |window| window.sent),
        traffic("ok", "ok", |window| window.ok),
        traffic("refused", "refused as is right", |window| window.expected),
        traffic("failed", "failed", |window| window.failed),
    ];
    // A line that is zero throughout says nothing that its absence doesn't.
    series.retain(|series| series.id != "refused" || series.points.iter().any(|(_, y)| *y > 0.0));
    series.extend(latency);
    series
}
