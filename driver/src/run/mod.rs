//! One run from start to end: a fresh stack, the load with its faults, what was observed, the
//! verdict, and the folder that is left.

mod autoscaler;
mod course;
mod faults;
mod guess;
mod hdr;
mod journal;
mod left;
mod live;
mod load;
mod outcome;
pub(crate) mod plan;
mod rollout;
mod sources;
pub mod terminal;

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use lab_load::{Plan, Recording};
use lab_record::file;
use lab_record::{EventKind, Finite, Line, Reports, Run, RunId, Stage};
use lab_remote::{Line as PodLine, Sent};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    books::{Bookkeeper, Books},
    code::Code,
    interrupt::Interrupted,
    limits,
    observe::{self, Latest, Observation, Pods, Stop},
    platform::{Found, Load, Platform, Stack, target},
    scenario::{Scenario, Settings},
    score::Watch,
};
use autoscaler::Manifests;
use course::{Course, Early, End};
use faults::DepFaults;
use journal::Journal;
pub use left::Left;
use live::Live;
use rollout::Rolled;
use sources::Sources;
use terminal::Terminal;

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
    /// How many pods of a cluster share the load; elsewhere the driver sends it.
    pub load_pods: u32,
    /// True where it ends once a check can't hold any more.
    pub fail_fast: bool,
    /// What somebody guessed that it will measure, in the unit of the scenario's question.
    pub guess: Option<Finite>,
    /// Where the run's folder goes.
    pub reports: &'a Reports,
    /// Cancelled where somebody asks for the end.
    pub interrupt: &'a CancellationToken,
}

/// A run that was recorded.
pub struct Ran {
    /// All that is known of it.
    pub run: Run,
    /// What it left.
    pub left: Left,
    /// True where Ctrl-C ended it.
    pub interrupted: bool,
}

/// Runs it. Fails where nothing could be measured; a run that broke in the middle is recorded as
/// INVALID with what there is.
pub async fn run(order: &Order<'_>, terminal: &mut Terminal) -> Result<Ran> {
    let Order { scenario, code, .. } = order;
    let manifests = autoscaler::manifests(order)?;
    let rolled = rollout::manifest(order.root, order.scenario, &order.code)?;
    let run_id = RunId::new(Timestamp::now(), fastrand::u64(..));
    let plan = plan::load(scenario, &run_id)?;
    let folder = order.reports.run_folder(&scenario.name, &run_id);
    let spec = plan::stack(order, manifests.as_ref(), rolled.as_ref(), &folder);
    if order.platform.is_sent_from_here() {
        let rolled = rolled.as_ref().map_or(1, Rolled::most_replicas);
        let replicas = manifests.as_ref().map_or(rolled, Manifests::most_replicas);
        limits::allow_files(plan::open_files(&spec, &plan, replicas))?;
    }
    file::make_folder(&folder).with_context(|| {
        format!(
            "can't create {}; is the folder writable? --reports DIR names another",
            folder.display()
        )
    })?;

    terminal.note(&format!(
        "{}: {} code on {}",
        scenario.name,
        code,
        order.platform.name()
    ));
    let mut stack = tokio::select! {
        stack = order.platform.start(&spec) => stack?,
        () = order.interrupt.cancelled() => bail!(Interrupted),
    };
    let read = Read { manifests, rolled };
    let played = play(order, &run_id, plan, &folder, read, &mut stack, terminal).await;
    let stopped = stack.control.stop().await;
    let (mut played, mut journal) = match (played, &stopped) {
        (Ok(played), _) => played,
        (Err(error), Err(left)) => return Err(error.context(left.to_string())),
        (Err(error), Ok(())) => return Err(error),
    };
    let mut left = Left::default();
    match stopped {
        // Part of the measurement: who can't remove the services could not be sure of them, either.
        Err(error) if error.is_of_a_cluster_that_is_away() => {
            let text = lab_say::reason(&error);
            terminal.note(&text);
            played.broke(&text);
        }
        stopped => drop(left.note(stopped)),
    }
    let interrupted = played.interrupted;
    let log = hdr::log(
        &played.plan,
        &played.sent.recording.cells,
        played.started_at,
    );
    if let Some(log) = left.note(log) {
        left.note(lab_report::write(folder.join(hdr::FILE), &log));
    }
    let run = outcome::assemble(order, run_id, played);
    left.write(order.root, order.reports, &run, &mut journal);
    Ok(Ran {
        run,
        left,
        interrupted,
    })
}

/// The manifests of a run, as they were read for it.
struct Read {
    manifests: Option<Manifests>,
    rolled: Option<Rolled>,
}

impl Read {
    /// The text of an edit point, where it is one of them.
    fn text(&self, edit: &str) -> Option<&str> {
        let autoscaled = self.manifests.as_ref();
        autoscaled
            .and_then(|manifests| manifests.text(edit))
            .or_else(|| self.rolled.as_ref()?.text(edit))
    }

    /// What checks and charts want to know of them.
    fn settings(&self) -> Settings {
        let autoscaled = self.manifests.as_ref().map(Manifests::settings);
        let rolled = self.rolled.as_ref().map(Rolled::settings);
        autoscaled.or(rolled).unwrap_or_default()
    }
}

/// What came of the load.
struct Played {
    sources: Sources,
    found: Option<Found>,
    plan: Plan,
    started_at: Timestamp,
    sent: Sent,
    books: Books,
    settings: Settings,
    observation: Observation,
    stage: Option<Stage>,
    events: Vec<lab_record::Event>,
    /// What broke, where something did.
    broken: Option<String>,
    interrupted: bool,
    /// Set where it could not pass any more, and was ended for that.
    early: Option<Early>,
}

impl Played {
    /// What broke besides what is known.
    fn broke(&mut self, text: &str) {
        self.broken = Some(match self.broken.take() {
            Some(before) => format!("{before}; {text}"),
            None => text.to_owned(),
        });
    }
}

fn begin_journal(
    order: &Order<'_>,
    stage: Option<&Stage>,
    run_id: &RunId,
    folder: &Path,
    terminal: &Terminal,
) -> Result<Journal> {
    let mut journal = Journal::create(folder, terminal.echoes())?;
    journal.write(&Line::Started {
        run_id: run_id.clone(),
        scenario: order.scenario.name.clone(),
        code: order.code.to_string(),
        planned_s: order.scenario.duration().as_secs_f64(),
    })?;
    journal.write(&outcome::planned(order.scenario, stage))?;
    Ok(journal)
}

/// Who scales the api, and why nothing will where the manifests make no pod.
fn tell_scaling(
    order: &Order<'_>,
    manifests: Option<&Manifests>,
    own: bool,
    journal: &mut Journal,
    terminal: &mut Terminal,
) -> Result<()> {
    let Some(manifests) = manifests else {
        return Ok(());
    };
    let mut scaling = order.platform.scaling();
    if !own {
        scaling = format!("{scaling}; {}", autoscaler::pace());
    }
    journal.event(0.0, EventKind::Scaling, scaling)?;
    if let Some(reason) = manifests.no_pods() {
        terminal.note(reason);
        journal.event(0.0, EventKind::Scaling, reason)?;
    }
    Ok(())
}

/// Looks for checks that can't hold any more, where that ends the run.
fn watch<'a>(order: &Order<'a>, plan: &Plan, settings: &Settings) -> Option<Watch<'a>> {
    let watch = || Watch::new(order.scenario, plan, settings);
    order.fail_fast.then(watch)
}

/// What could not be seen of the services, and why.
fn tell_unseen(
    observation: &Observation,
    t0: Instant,
    journal: &mut Journal,
    terminal: &Terminal,
) -> Result<()> {
    for complaint in &observation.complaints {
        terminal.note(complaint);
        journal.event(t0.elapsed().as_secs_f64(), EventKind::Note, complaint)?;
    }
    Ok(())
}

/// Tells which addresses of a name are used, where there was a choice.
fn tell_choice(
    found: Option<Found>,
    journal: &mut Journal,
    terminal: &Terminal,
) -> Result<Option<Found>> {
    if let Some(text) = found.as_ref().and_then(target::choice) {
        terminal.note(&text);
        journal.event(0.0, EventKind::Note, text)?;
    }
    Ok(found)
}

/// What is to be said of how the load was sent, where it was not as it is as a rule.
fn tell_sent(
    recording: &Recording,
    t0: Instant,
    journal: &mut Journal,
    terminal: &Terminal,
) -> Result<()> {
    for text in load::told(recording) {
        terminal.note(&text);
        journal.event(t0.elapsed().as_secs_f64(), EventKind::Note, text)?;
    }
    Ok(())
}

/// Begins to look at the services; what each look shows is there at once.
fn look(
    order: &Order<'_>,
    settings: &Settings,
    stack: &Stack,
    desired: watch::Receiver<u32>,
    t0: Instant,
    stop: &Stop,
) -> (JoinHandle<Observation>, watch::Receiver<Latest>) {
    let (latest, seen) = watch::channel(Latest::new());
    let (replicas, leaving) = (stack.replicas.clone(), stack.leaving.clone());
    let pods = move || {
        let replicas = replicas.borrow();
        let starting = replicas.iter().filter(|it| it.ready_since.is_none());
        let leaving = *leaving.borrow();
        let starting = starting.count();
        Pods {
            starting,
            leaving: leaving.now,
            desired: *desired.borrow(),
            available: replicas.len() - starting,
            left: leaving.left,
            killed: leaving.killed,
            slowest_leave: leaving.slowest.as_secs_f64(),
        }
    };
    let looking = observe::observe(
        order.scenario.clone(),
        settings.clone(),
        stack.targets.clone(),
        pods,
        t0,
        stop.clone(),
        latest,
    );
    (tokio::spawn(looking), seen)
}

async fn play(
    order: &Order<'_>,
    run_id: &RunId,
    plan: Plan,
    folder: &Path,
    read: Read,
    stack: &mut Stack,
    terminal: &mut Terminal,
) -> Result<(Played, Journal)> {
    let scenario = order.scenario;
    let targets = stack.targets.borrow().clone();
    let sources = Sources::of(order, |edit| read.text(edit), &targets).await?;
    let dep = DepFaults::new(&targets, scenario)?;
    dep.set(&scenario.services.dep).await?;

    let settings = read.settings();
    let manifests = read.manifests;
    // They go through the arrivals, for which there is no time once these are due.
    let watch = watch(order, &plan, &settings);
    let bookkeeper = Bookkeeper::new(scenario, &plan, stack.targets.clone());
    let (tell, told) = mpsc::unbounded_channel();
    let stop_load = CancellationToken::new();
    let lines = stack.load.lines();
    let (load, accounts) = load::start(
        std::mem::replace(&mut stack.load, Load::Driver),
        plan.clone(),
        stack.targets.clone(),
        tell,
        stop_load.clone(),
    )
    .await?;
    let t0 = load.t0();
    let started_at = Timestamp::now();
    let stage = scenario.stage.as_ref();
    let stage = stage.and_then(|stage| stage.record(&settings));
    let mut journal = begin_journal(order, stage.as_ref(), run_id, folder, terminal)?;
    let decided = stack.decisions.take();
    let own = decided.is_some();
    tell_scaling(order, manifests.as_ref(), own, &mut journal, terminal)?;
    sources.tell(&mut journal, terminal)?;
    let found = tell_choice(stack.found.take(), &mut journal, terminal)?;

    let bookkeeping = tokio::spawn(bookkeeper.keep(told));
    let stop_observing = Stop::default();
    let (decisions, emulated) = mpsc::unbounded_channel();
    let (asked_for, desired) = watch::channel(stack.replicas.borrow().len() as u32);
    let (observer, seen) = look(order, &settings, stack, desired, t0, &stop_observing);
    let scaling = autoscaler::spawn(
        // Not where the platform has one.
        manifests.filter(|_| decided.is_none()),
        stack.replicas.clone(),
        decisions,
        stop_observing.asked.clone(),
    );

    let mut load = std::pin::pin!(load.finish());
    let mut course = Course {
        scenario,
        stack,
        dep,
        t0,
        live: Live::new(scenario, &plan, lines.len().max(1)),
        accounts,
        stage: stage.as_ref(),
        seen,
        decided: decided.unwrap_or(emulated),
        asked_for,
        journal,
        terminal,
        interrupt: order.interrupt,
        withheld: Vec::new(),
        crash_at: None,
        roll_at: None,
        watch,
    };
    let end = course.until_the_end(load.as_mut()).await?;
    let (mut broken, interrupted, early) = course.close(&end)?;
    let targets = course.stack.targets.borrow().clone();
    let mut journal = course.journal;
    let sent = if let End::Done(sent) = end {
        *sent
    } else {
        stop_load.cancel();
        load.await
    };
    tell_sent(&sent.recording, t0, &mut journal, terminal)?;
    let books = bookkeeping.await.context("the bookkeeper ended early")?;
    stop_observing.ask(broken.is_some() || interrupted || early.is_some());
    let observation = observer.await.context("the collector ended early")?;
    tell_unseen(&observation, t0, &mut journal, terminal)?;
    scaling.await.context("the autoscaler ended early")?;
    // After the load the books were read through them.
    broken = broken.or_else(|| lines.iter().find_map(PodLine::broken));
    if broken.is_none() && !interrupted {
        broken = sources.changed(&targets).await;
    }
    let played = Played {
        sources,
        found,
        plan,
        started_at,
        sent,
        books,
        settings,
        observation,
        stage,
        events: journal.take_events(),
        broken,
        interrupted,
        early,
    };
    Ok((played, journal))
}
