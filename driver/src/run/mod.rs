//! One run from start to end: a fresh stack, the load with its faults, what was observed, the
//! verdict, and the folder that is left.

mod autoscaler;
mod faults;
mod journal;
mod live;
mod outcome;
mod plan;
pub mod terminal;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use lab_record::{EventKind, Line, Reports, Run, RunId};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    code::Code,
    load::{self, Plan, Recording},
    observe,
    platform::{Failure, Platform, Stack},
    report,
    scenario::Scenario,
};
use journal::Journal;
use live::Live;
use terminal::Terminal;

/// Time between two lines of `events.jsonl` and two moves of the progress bar.
const TICK: Duration = Duration::from_millis(250);

/// What to run, and where to leave it.
pub struct Order<'a> {
    /// The project.
    pub root: &'a Path,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Which implementation.
    pub code: Code,
    /// Where.
    pub platform: &'a dyn Platform,
    /// Where the run's folder goes.
    pub reports: &'a Reports,
}

/// A run that was recorded.
pub struct Ran {
    /// All that is known of it.
    pub run: Run,
    /// Its page.
    pub report: PathBuf,
    /// The page that compares it with the baseline; none where it is the first.
    pub comparison: Option<PathBuf>,
    /// True where Ctrl-C ended it.
    pub interrupted: bool,
}

/// Runs it. Fails where nothing could be measured; a run that broke in the middle is recorded as
/// INVALID with what there is.
pub async fn run(order: &Order<'_>, terminal: &mut Terminal) -> Result<Ran> {
    let Order {
        root,
        scenario,
        code,
        ..
    } = order;
    let sources = code.sources(root, scenario)?;
    let manifests = autoscaler::manifests(order)?;
    let run_id = RunId::new(Timestamp::now(), fastrand::u64(..));
    let folder = order.reports.run_folder(&scenario.name, &run_id);
    fs::create_dir_all(&folder).with_context(|| {
        format!(
            "can't create {}; is the folder writable? --reports DIR names another",
            folder.display()
        )
    })?;

    load::raise_open_files();
    terminal.note(&format!(
        "{}: {} code on {}",
        scenario.name,
        code,
        order.platform.name()
    ));
    let spec = plan::stack(scenario, code, manifests.as_ref(), &folder);
    let mut stack = tokio::select! {
        stack = order.platform.start(&spec) => stack?,
        _ = tokio::signal::ctrl_c() => bail!(Interrupted),
    };
    let played = play(order, &run_id, &folder, manifests, &mut stack, terminal).await;
    let stopped = stack.control.stop().await;
    let played = played?;
    stopped?;

    let interrupted = played.interrupted;
    let run = outcome::assemble(order, run_id, sources, played);
    let report = report::write_run(order.reports, &run)?;
    let comparison = report::write_baseline_comparison(order.reports, &run)?;
    report::write_index(order.reports)?;
    Ok(Ran {
        run,
        report,
        comparison,
        interrupted,
    })
}

/// Ctrl-C before there was anything to record.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was measured and nothing is left running")]
pub struct Interrupted;

/// What came of the load.
struct Played {
    plan: Plan,
    started_at: Timestamp,
    recording: Recording,
    series: Vec<lab_record::Series>,
    events: Vec<lab_record::Event>,
    /// Why the run is no measurement, where it isn't.
    broken: Option<String>,
    interrupted: bool,
}

/// How the load ended.
enum End {
    Done(Recording),
    Broken(String),
    Interrupted,
}

async fn play(
    order: &Order<'_>,
    run_id: &RunId,
    folder: &Path,
    manifests: Option<autoscaler::Manifests>,
    stack: &mut Stack,
    terminal: &mut Terminal,
) -> Result<Played> {
    let scenario = order.scenario;
    let http = reqwest::Client::new();
    let dep = *stack
        .targets
        .borrow()
        .dep
        .first()
        .context("the stack has no dependency")?;
    faults::set(&http, dep, &scenario.services.dep).await?;

    let plan = plan::load(scenario, run_id)?;
    let mut live = Live::new(scenario, &plan);
    let (samples, mut finished) = mpsc::unbounded_channel();
    let stop_load = CancellationToken::new();
    let load = load::start(
        plan.clone(),
        stack.targets.clone(),
        samples,
        stop_load.clone(),
    )
    .await?;
    let t0 = load.t0();
    let started_at = Timestamp::now();

    let mut journal = Journal::create(folder)?;
    let started = Line::Started {
        run_id: run_id.clone(),
        scenario: scenario.name.clone(),
        code: order.code.to_string(),
        planned_s: scenario.duration().as_secs_f64(),
    };
    journal.write(&started)?;
    terminal.line(&started);

    let stop_observing = CancellationToken::new();
    let (decisions, mut decided) = mpsc::unbounded_channel();
    let (asked_for, desired) = watch::channel(stack.replicas.borrow().len() as u32);
    let observer = tokio::spawn(observe::observe(
        scenario.clone(),
        stack.targets.clone(),
        desired,
        t0,
        stop_observing.clone(),
    ));
    let scaling = autoscaler::spawn(
        manifests,
        stack.replicas.clone(),
        decisions,
        stop_observing.clone(),
    );

    let mut phases = scenario.spans().peekable();
    let mut ticks = tokio::time::interval(TICK);
    let mut load = std::pin::pin!(load.finish());
    let end = loop {
        // A phase's start is on the schedule of the load; the sleep below wakes for it.
        let next_phase = phases.peek().map_or(Duration::MAX, |(_, start, _)| *start);
        let until_phase = next_phase.saturating_sub(t0.elapsed());
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => break End::Interrupted,
            Some(failure) = stack.failures.recv() => break End::Broken(describe(&failure)),
            recording = &mut load => break match recording {
                Ok(recording) => End::Done(recording),
                Err(error) => End::Broken(error.to_string()),
            },
            () = tokio::time::sleep(until_phase), if next_phase != Duration::MAX => {
                let (phase, start, _) = phases.next().expect("peeked");
                let before = scenario.services.dep.clone();
                let behaviour = phase.fault.as_ref().and_then(|fault| fault.dep.clone()).unwrap_or(before);
                if let Err(error) = faults::set(&http, dep, &behaviour).await {
                    break End::Broken(format!("{error:#}"));
                }
                terminal.phase(&phase.name, start.as_secs_f64(), phase.duration);
                journal.event(t0.elapsed().as_secs_f64(), EventKind::Phase, &phase.name)?;
                if let Some(fault) = &phase.fault {
                    journal.event(t0.elapsed().as_secs_f64(), EventKind::Fault, &fault.text)?;
                }
            }
            Some(decision) = decided.recv() => {
                stack.control.scale_api(decision.desired);
                asked_for.send_replace(decision.desired);
                terminal.note(&decision.sentence);
                journal.event(t0.elapsed().as_secs_f64(), EventKind::Scaling, decision.sentence)?;
            }
            Some(event) = stack.events.recv() => {
                let at = seconds_since(t0, event.at);
                journal.event(at, EventKind::Scaling, format!("{} {}", event.replica, event.change))?;
            }
            _ = ticks.tick() => {
                // Taken on the tick: waiting for each would cost the machine a wake-up a request.
                while let Ok(sample) = finished.try_recv() {
                    live.add(sample);
                }
                let tick = live.tick(t0.elapsed(), stack.targets.borrow().api.len());
                terminal.tick(&tick);
                let tick = Line::Tick(tick);
                journal.write(&tick)?;
                terminal.line(&tick);
            }
        }
    };
    terminal.end_phase();
    let (broken, interrupted) = match &end {
        End::Done(_) => (None, false),
        End::Broken(reason) => (Some(reason.clone()), false),
        End::Interrupted => (Some("interrupted by Ctrl-C".to_owned()), true),
    };
    if let Some(reason) = &broken {
        journal.event(t0.elapsed().as_secs_f64(), EventKind::Failure, reason)?;
        terminal.note(reason);
    }
    let recording = if let End::Done(recording) = end {
        recording
    } else {
        stop_load.cancel();
        load.await?
    };
    stop_observing.cancel();
    let series = observer.await.context("the collector ended early")?;
    scaling.await.context("the autoscaler ended early")?;
    Ok(Played {
        plan,
        started_at,
        recording,
        series,
        events: journal.into_events(),
        broken,
        interrupted,
    })
}

fn describe(failure: &Failure) -> String {
    format!("{} broke: {}", failure.service, failure.text)
}

fn seconds_since(t0: Instant, at: Instant) -> f64 {
    if at >= t0 {
        (at - t0).as_secs_f64()
    } else {
        -(t0 - at).as_secs_f64()
    }
}
