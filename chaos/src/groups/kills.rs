//! Processes that are killed or stand still at a random moment of a run.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lab_record::{Entry, Outcome, Reports, Run, Validity};
use rustix::process::Signal;

use crate::{process, trial::Trial, world::World};

/// What a process has in its command, by the name that people give it.
const VICTIMS: [(&str, &str); 8] = [
    ("driver", "chaos-bin/driver run"),
    ("dep", "chaos-bin/lab dep"),
    ("api", "chaos-bin/lab api"),
    ("worker", "chaos-bin/lab worker"),
    ("auditor", "chaos-bin/lab auditor"),
    ("guard", "postgres-guard"),
    ("postmaster", "postgres -D"),
    ("backend", "postgres: "),
];

/// A run of everything takes so long, from its start to its end.
const RUN_MS: u64 = 4_000;

pub(crate) fn kills(trial: &mut Trial<'_>) {
    for number in 0..trial.times(VICTIMS.len(), 64) {
        let (name, sign) = VICTIMS[number % VICTIMS.len()];
        trial.case(name, |world, random| kill(world, random, sign));
    }
}

fn kill(world: &World, random: &mut Rng, sign: &str) -> Result<()> {
    let mut run = world.start(&mut world.run("everything"))?;
    if sign == VICTIMS[0].1 {
        thread::sleep(Duration::from_millis(random.u64(..RUN_MS)));
        if !run.runs()? {
            run.end()?.measured()?;
            return Ok(());
        }
        run.signal(Signal::KILL)?;
        return run.end()?.killed();
    }
    let Some(victim) = run.has_below(sign)? else {
        return run.end()?.measured().map(drop);
    };
    thread::sleep(Duration::from_millis(random.u64(..RUN_MS)));
    process::kill(&victim, Signal::KILL)?;
    let ended = run.end()?;
    // Before the load it is an error, in the middle no measurement; a backend is replaced, and after the load
    // nothing is missed.
    ended.with(&[0, 2, 3])?;
    if ended.code() == Some(3) {
        let run = only_run(world)?;
        ensure!(
            run.verdict.outcome == Outcome::Invalid,
            "the verdict is {:?}",
            run.verdict
        );
    }
    Ok(())
}

pub(crate) fn stops(trial: &mut Trial<'_>) {
    for number in 0..trial.times(3, 24) {
        let (name, sign) = VICTIMS[[0, 2, 6][number % 3]];
        trial.case(name, |world, random| stop(world, random, sign));
    }
}

fn stop(world: &World, random: &mut Rng, sign: &str) -> Result<()> {
    let mut run = world.start(&mut world.run("everything"))?;
    let standstill = Duration::from_millis(random.u64(300..2_000));
    let victim = if sign == VICTIMS[0].1 {
        let own = run.pid();
        process::table()?
            .into_iter()
            .find(|process| process.pid == own)
    } else {
        run.has_below(sign)?
    };
    let victim = victim.context("the run ended early")?;
    thread::sleep(Duration::from_millis(random.u64(..RUN_MS / 2)));
    process::kill(&victim, Signal::STOP)?;
    thread::sleep(standstill);
    process::kill(&victim, Signal::CONT)?;
    run.end()?.with(&[0, 2, 3])?;
    if sign == VICTIMS[0].1
        && let Ok(run) = only_run(world)
    {
        // Where the driver stood still, nothing is the fault of the code.
        let blamed =
            run.verdict.outcome == Outcome::Fail && run.self_check.validity == Validity::Valid;
        ensure!(!blamed, "the code is blamed for the driver's standstill");
    }
    Ok(())
}

/// Fails where code that is well was told that it fails.
pub(crate) fn is_well(run: &Run) -> Result<()> {
    let outcome = run.verdict.outcome;
    ensure!(
        [Outcome::Pass, Outcome::Invalid].contains(&outcome),
        "the verdict is {:?}",
        run.verdict
    );
    Ok(())
}

/// The data of the one run.
pub(crate) fn only_run(world: &World) -> Result<Run> {
    let mut runs: Vec<Run> = Reports::at(world.reports())
        .entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Run(run) => Some(*run),
            Entry::Unreadable { .. } => None,
        })
        .collect();
    ensure!(runs.len() == 1, "{} runs are kept", runs.len());
    Ok(runs.remove(0))
}
