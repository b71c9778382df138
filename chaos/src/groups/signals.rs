//! Ctrl-C, a terminal that is closed, `kill`: once and twice, at any moment, the build's among them.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use fastrand::Rng;
use rustix::process::Signal;

use super::kills::only_run;
use crate::{process::until, trial::Trial, world::World};

const SIGNALS: [(&str, Signal); 3] = [
    ("Ctrl-C", Signal::INT),
    ("kill", Signal::TERM),
    ("terminal closed", Signal::HUP),
];

pub(crate) fn signals(trial: &mut Trial<'_>) {
    for number in 0..trial.times(2, 30) {
        let (name, signal) = SIGNALS[number % SIGNALS.len()];
        trial.case(&format!("{name} in the build"), |world, random| {
            build(world, random, signal)
        });
        trial.case(&format!("{name} in the load"), |world, _| {
            load(world, signal)
        });
        trial.case(
            &format!("{name} while the first database is made"),
            |world, random| first_database(world, random, signal),
        );
        trial.case(&format!("{name} whenever"), |world, random| {
            whenever(world, random, signal)
        });
    }
}

/// As a terminal sends it, to cargo too, and perhaps twice.
fn build(world: &World, random: &mut Rng, signal: Signal) -> Result<()> {
    let mut run = world.start(world.run("plain").env("CHAOS_BUILD", "20"))?;
    run.has_below("sleep")?;
    thread::sleep(Duration::from_millis(random.u64(..200)));
    run.signal_group(signal)?;
    if random.bool() {
        thread::sleep(Duration::from_millis(random.u64(..20)));
        run.signal_group(signal)?;
    }
    let ended = run.end()?;
    ended.with(&[130])?;
    ensure!(
        !ended.text.contains("compile"),
        "it blames the code:\n{}",
        ended.text
    );
    Ok(())
}

/// The next run is not held up by what is left of it, for which `look` sees.
fn first_database(world: &World, random: &mut Rng, signal: Signal) -> Result<()> {
    world.forget_templates()?;
    let mut run = world.start(&mut world.run("everything"))?;
    run.has_below("initdb")?;
    thread::sleep(Duration::from_millis(random.u64(..800)));
    run.signal(signal)?;
    run.end()?.with(&[130])?;
    Ok(())
}

/// What was measured until then is kept.
fn load(world: &World, signal: Signal) -> Result<()> {
    let mut run = world.start(&mut world.run("plain"))?;
    until_the_load(world)?;
    run.signal(signal)?;
    run.end()?.with(&[130])?;
    ensure!(!only_run(world)?.complete, "the run counts as complete");
    Ok(())
}

fn whenever(world: &World, random: &mut Rng, signal: Signal) -> Result<()> {
    let mut run = world.start(&mut world.run("everything"))?;
    thread::sleep(Duration::from_millis(random.u64(..5_000)));
    run.signal(signal)?;
    thread::sleep(Duration::from_millis(random.u64(..200)));
    if random.bool() {
        run.signal(signal)?;
    }
    let ended = run.end()?;
    // Before it listens for signals it is killed by them, as any program.
    ensure!(
        ended.code().is_none_or(|code| [0, 3, 130].contains(&code)),
        "{ended:?}"
    );
    Ok(())
}

/// Waits for the first figures of a run.
pub(crate) fn until_the_load(world: &World) -> Result<()> {
    until("the load", || {
        let reports = world.reports();
        let folders = std::fs::read_dir(reports).into_iter().flatten().flatten();
        let runs = folders.flat_map(|scenario| {
            std::fs::read_dir(scenario.path())
                .into_iter()
                .flatten()
                .flatten()
        });
        let mut journals =
            runs.filter_map(|run| std::fs::read_to_string(run.path().join("events.jsonl")).ok());
        Ok(journals
            .any(|journal| journal.contains("\"tick\""))
            .then_some(()))
    })
}
