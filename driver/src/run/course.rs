//! What happens while the load runs: phases begin, pods come and go, figures move, things break.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab_record::{EndedEarly, EventKind, Line, Stage, Tick};
use lab_remote::Sent;
use tokio::{
    sync::{mpsc, watch},
    time::Interval,
};
use tokio_util::sync::CancellationToken;

use super::{faults::DepFaults, journal::Journal, live::Live, load::Accounts, terminal::Terminal};
use crate::{
    observe::Latest,
    platform::{Decision, Failure, Stack},
    scenario::{Check, Phase, Scenario},
    score::{Lost, Watch},
};

/// The longest between two lines of `events.jsonl` and two moves of the progress bar. As a rule there is one with each
/// look at the services, at once after it, so that who follows the run sees on the stage what is so now.
const TICK: Duration = Duration::from_millis(250);

/// How the load ended.
pub(super) enum End {
    Done(Box<Sent>),
    Broken(String),
    Interrupted,
    /// Checks can't hold any more.
    Early(Early),
}

/// The end of a run that can't pass any more.
#[derive(Clone)]
pub(super) struct Early {
    pub(super) at: Duration,
    pub(super) lost: Vec<Lost>,
}

impl Early {
    /// What is to be said of it.
    pub(super) fn record(&self, scenario: &Scenario) -> EndedEarly {
        let undecided = scenario.checks.iter().filter(|check| !self.decides(check));
        EndedEarly {
            at_s: self.at.as_secs_f64(),
            reasons: self.lost.iter().map(|lost| lost.why.clone()).collect(),
            undecided: undecided.map(|check| check.title.clone()).collect(),
        }
    }

    /// Whether a check is one of those that can't hold any more.
    pub(super) fn decides(&self, check: &Check) -> bool {
        self.lost.iter().any(|lost| lost.id == check.id)
    }
}

impl End {
    /// What broke, where something did.
    fn broken(&self) -> Option<&str> {
        match self {
            Self::Done(sent) => sent.broken.as_deref(),
            Self::Broken(reason) => Some(reason),
            Self::Interrupted | Self::Early(_) => None,
        }
    }
}

/// Everything that has to do with the run while it goes.
pub(super) struct Course<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) stack: &'a mut Stack,
    pub(super) dep: DepFaults,
    /// The clock's start.
    pub(super) t0: Instant,
    pub(super) live: Live,
    pub(super) accounts: Accounts,
    /// What stands on the stage, and what was seen of it.
    pub(super) stage: Option<&'a Stage>,
    pub(super) seen: watch::Receiver<Latest>,
    pub(super) decided: mpsc::UnboundedReceiver<Decision>,
    pub(super) asked_for: watch::Sender<u32>,
    pub(super) journal: Journal,
    pub(super) terminal: &'a mut Terminal,
    pub(super) interrupt: &'a CancellationToken,
    /// What an autoscaler said that would have told the answer, for the end.
    pub(super) withheld: Vec<String>,
    /// When the api is to be killed, in the phase that has begun.
    pub(super) crash_at: Option<Duration>,
    /// When its replicas are to be replaced, likewise.
    pub(super) roll_at: Option<Duration>,
    /// Where the run is to end once a check can't hold any more.
    pub(super) watch: Option<Watch<'a>>,
}

impl Course<'_> {
    /// Returns when the load has ended, or something that ends it has happened.
    pub(super) async fn until_the_end(
        &mut self,
        mut load: Pin<&mut impl Future<Output = Sent>>,
    ) -> Result<End> {
        let scenario = self.scenario;
        let mut phases = scenario.spans().peekable();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let next_phase = phases.peek().map(|(_, start, _)| *start);
            let until_phase = next_phase
                .unwrap_or(Duration::MAX)
                .saturating_sub(self.t0.elapsed());
            let until_crash = self.crash_at.unwrap_or(Duration::MAX);
            let until_crash = until_crash.saturating_sub(self.t0.elapsed());
            let until_roll = self.roll_at.unwrap_or(Duration::MAX);
            let until_roll = until_roll.saturating_sub(self.t0.elapsed());
            tokio::select! {
                biased;
                () = self.interrupt.cancelled() => return Ok(End::Interrupted),
                Some(failure) = self.stack.failures.recv() => {
                    return Ok(End::Broken(describe(&failure)));
                }
                sent = &mut load => return Ok(End::Done(Box::new(sent))),
                () = tokio::time::sleep(until_phase), if next_phase.is_some() => {
                    let (phase, start, _) = phases.next().expect("peeked");
                    self.crash_at = phase.crash.map(|crash| start + crash.after);
                    self.roll_at = phase.roll.map(|roll| start + roll.after);
                    if let Err(error) = self.begin(phase, start).await {
                        return Ok(End::Broken(lab_say::reason(error.as_ref())));
                    }
                }
                () = tokio::time::sleep(until_crash), if self.crash_at.is_some() => self.crash()?,
                () = tokio::time::sleep(until_roll), if self.roll_at.is_some() => self.roll()?,
                Some(decision) = self.decided.recv() => self.scale(&decision)?,
                Some(event) = self.stack.events.recv() => {
                    let at = seconds_since(self.t0, event.at);
                    let text = format!("{} {}", event.replica, event.change);
                    self.journal.event(at, EventKind::Scaling, text)?;
                }
                () = next_tick(&mut ticks, &mut self.seen) => {
                    self.tick()?;
                    let lost = self.watch.as_ref().map(Watch::lost).unwrap_or_default();
                    if !lost.is_empty() {
                        let at = self.t0.elapsed();
                        return Ok(End::Early(Early { at, lost }));
                    }
                }
            }
        }
    }

    /// Says why the load ended, where it wasn't by itself: what broke, whether somebody ended it, and whether it could
    /// not pass any more.
    pub(super) fn close(&mut self, end: &End) -> Result<(Option<String>, bool, Option<Early>)> {
        self.terminal.end_phase();
        for sentence in std::mem::take(&mut self.withheld) {
            self.terminal.note(&sentence);
            self.event(EventKind::Scaling, &sentence)?;
        }
        let broken = end.broken();
        let (kind, text) = match (end, broken) {
            (_, Some(reason)) => (EventKind::Failure, reason.to_owned()),
            (End::Interrupted, None) => (EventKind::Note, "the run was cancelled".to_owned()),
            (End::Early(early), None) => (EventKind::Note, early.record(self.scenario).text()),
            (End::Done(_) | End::Broken(_), None) => return Ok((None, false, None)),
        };
        self.event(kind, &text)?;
        self.terminal.note(&text);
        Ok(match end {
            End::Interrupted => (None, true, None),
            End::Early(early) => (None, false, Some(early.clone())),
            End::Done(_) | End::Broken(_) => (Some(text), false, None),
        })
    }

    async fn begin(&mut self, phase: &Phase, start: Duration) -> Result<()> {
        let fault = phase.fault.as_ref();
        let behaviour = fault.and_then(|fault| fault.dep.as_ref());
        self.dep
            .set(behaviour.unwrap_or(&self.scenario.services.dep))
            .await?;
        self.terminal
            .phase(&phase.name, start.as_secs_f64(), phase.duration);
        self.event(EventKind::Phase, &phase.name)?;
        fault.map_or(Ok(()), |fault| self.event(EventKind::Fault, &fault.text))
    }

    fn crash(&mut self) -> Result<()> {
        self.crash_at = None;
        self.stack.control.crash_api();
        self.event(
            EventKind::Fault,
            "the api is killed in the middle of its work",
        )
    }

    fn roll(&mut self) -> Result<()> {
        self.roll_at = None;
        self.stack.control.roll_api();
        self.event(EventKind::Fault, "a rolling restart of the api begins")
    }

    fn scale(&mut self, decision: &Decision) -> Result<()> {
        self.stack.control.scale_api(decision.desired);
        self.asked_for.send_replace(decision.desired);
        let told = decision.meanwhile.as_ref().unwrap_or(&decision.sentence);
        if decision.meanwhile.is_some() && !self.withheld.contains(&decision.sentence) {
            self.withheld.push(decision.sentence.clone());
        }
        self.terminal.note(told);
        self.event(EventKind::Scaling, told)
    }

    fn tick(&mut self) -> Result<()> {
        let now = self.t0.elapsed();
        for account in self.accounts.take(now) {
            if let Some(watch) = &mut self.watch {
                watch.add(&account.part);
            }
            self.live.add(account);
        }
        let replicas = self.stack.targets.borrow().api.len();
        let mut tick = self.live.tick(now, replicas);
        if let Some(stage) = self.stage {
            let seen = self.seen.borrow();
            tick.stage = stage.values(|id| seen.get(id).copied().or_else(|| of_load(&tick, id)));
        }
        self.terminal.tick(&tick);
        self.journal.write(&Line::Tick(tick))
    }

    fn event(&mut self, kind: EventKind, text: &str) -> Result<()> {
        self.journal
            .event(self.t0.elapsed().as_secs_f64(), kind, text)
    }
}

/// Waits for a look at the services, or for as long as there may be none.
async fn next_tick(ticks: &mut Interval, seen: &mut watch::Receiver<Latest>) {
    tokio::select! {
        _ = ticks.tick() => {}
        Ok(()) = seen.changed() => ticks.reset(),
    }
}

/// What a tick says of the load, by the ids of the series that will be made of it.
fn of_load(tick: &Tick, series: &str) -> Option<f64> {
    match series {
        "offered" => Some(tick.offered_per_s),
        "ok" => Some(tick.ok_per_s),
        "failed" => Some(tick.failed_per_s),
        _ => None,
    }
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
