//! Reports go by an explicit `make clean-reports` only, and then whole.

use std::{collections::BTreeSet, fs, path::Path, thread, time::Duration};

use anyhow::{Result, ensure};
use fastrand::Rng;
use lab_record::{Entry, Reports};
use rustix::process::Signal;

use super::kills::only_run;
use crate::{
    process::until,
    trial::Trial,
    world::{World, reports_are_whole},
};

pub(crate) fn reports(trial: &mut Trial<'_>) {
    trial.case("nothing but clean-reports removes a run", |world, _| {
        nothing_else(world)
    });
    trial.case("clean-reports with no number to keep", |world, _| {
        no_number(world)
    });
    for _ in 0..trial.times(2, 40) {
        trial.case("clean-reports is killed", killed);
    }
}

fn nothing_else(world: &World) -> Result<()> {
    let many = many(world, 30)?;
    for arguments in [&["solve", "1"][..], &["reset"], &["report"], &["down"]] {
        world
            .start(&mut world.driver(arguments))?
            .end()?
            .with(&[0])?;
    }
    world.start(&mut world.run("plain"))?.end()?.measured()?;
    world.start(&mut world.guide(&["check"]))?.end()?;
    let all = kept(world);
    ensure!(
        all.len() == 31 && all.is_superset(&many),
        "of {} runs {} are left",
        many.len() + 1,
        all.len()
    );
    clean(world, "KEEP=20", 0)?;
    is_cleaned(world, &all, 20)
}

fn no_number(world: &World) -> Result<()> {
    let many = many(world, 5)?;
    for keep in ["", "0", "-1", "x", "1.5", "1; rm -r reports", "1e3"] {
        clean(world, &format!("KEEP={keep}"), 2)?;
        ensure!(kept(world) == many, "KEEP={keep} removes something");
    }
    Ok(())
}

/// At a moment when some are gone: what is there is whole, and the next time comes to the same end.
fn killed(world: &World, random: &mut Rng) -> Result<()> {
    let many = many(world, 40)?;
    let mut clean = world.start(&mut world.driver(&["clean-reports", "--keep", "3"]))?;
    until("the first is gone", || {
        Ok((kept(world).len() < many.len() || !clean.runs()?).then_some(()))
    })?;
    thread::sleep(Duration::from_micros(random.u64(..10_000)));
    clean.signal(Signal::KILL)?;
    clean.end()?;
    reports_are_whole(&world.reports())?;
    world
        .start(&mut world.driver(&["clean-reports", "--keep", "3"]))?
        .end()?
        .with(&[0])?;
    is_cleaned(world, &many, 3)
}

/// As somebody types it.
fn clean(world: &World, keep: &str, code: i32) -> Result<()> {
    let mut make = world.command(Path::new("make"), &["-s", "clean-reports", keep]);
    world.start(&mut make)?.end()?.with(&[code])?;
    Ok(())
}

/// The newest are there and what they are compared with, nothing else is, and the index knows it.
fn is_cleaned(world: &World, all: &BTreeSet<String>, keep: usize) -> Result<()> {
    let newest: BTreeSet<String> = all.iter().rev().take(keep).cloned().collect();
    let kept = kept(world);
    ensure!(
        kept.is_superset(&newest) && kept.len() <= keep + 1,
        "{} runs are kept",
        kept.len()
    );
    let index = fs::read_to_string(world.reports().join("index.html"))?;
    let dead = all.difference(&kept).find(|run| index.contains(*run));
    ensure!(dead.is_none(), "the index leads to {dead:?}");
    let folders = fs::read_dir(world.reports().join("plain"))?.count();
    ensure!(folders == kept.len(), "{folders} folders are left");
    Ok(())
}

/// The ids of the runs that are there, which are in the order of time.
fn kept(world: &World) -> BTreeSet<String> {
    let entries = Reports::at(world.reports()).entries();
    entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Run(run) => Some(run.run_id.to_string()),
            Entry::Unreadable { .. } => None,
        })
        .collect()
}

/// So many runs: one, and others of long ago that are like it.
fn many(world: &World, count: usize) -> Result<BTreeSet<String>> {
    world.start(&mut world.run("plain"))?.end()?.measured()?;
    let newest = only_run(world)?.run_id.to_string();
    let folder = world.reports().join("plain");
    for number in 1..count {
        let id = format!("20250101T0000{number:02}Z-0000");
        fs::create_dir(folder.join(&id))?;
        for file in ["data.json", "events.jsonl", "report.html"] {
            let text = fs::read_to_string(folder.join(&newest).join(file))?;
            fs::write(folder.join(&id).join(file), text.replace(&newest, &id))?;
        }
    }
    let all = kept(world);
    ensure!(all.len() == count, "{} runs were made", all.len());
    Ok(all)
}
