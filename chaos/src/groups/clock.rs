//! The clock jumps in the middle of a run. The machine's own is left alone: `faketime` shows another one to the
//! programs.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use anyhow::{Result, ensure};

use super::{
    kills::{is_well, only_run},
    signals::until_the_load,
};
use crate::{trial::Trial, world::World};

pub(crate) fn clock(trial: &mut Trial<'_>) {
    let Some(library) = library() else {
        return trial.skip("a clock that jumps", "no faketime");
    };
    for (name, jump) in [("an hour ahead", "+1h"), ("a day back", "-1d")] {
        trial.case(name, |world, _| jumps(world, &library, jump));
    }
}

/// What a program is started with to see another time.
fn library() -> Option<String> {
    let output = Command::new("faketime")
        .args(["-f", "+0s", "printenv", "LD_PRELOAD"])
        .output()
        .ok()?;
    let library = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!library.is_empty()).then_some(library)
}

/// A folder with a program that is not shown the other clock: the compiler's allocator and faketime wait for each other.
fn with_the_true_clock(world: &World, program: &str) -> Result<PathBuf> {
    let folder = world.tmp().join("true-clock");
    fs::create_dir(&folder)?;
    let path = folder.join(program);
    let script = format!("#!/bin/sh\nPATH=${{PATH#*:}} LD_PRELOAD= exec {program} \"$@\"\n");
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn jumps(world: &World, library: &str, jump: &str) -> Result<()> {
    let clock = world.tmp().join("clock");
    fs::write(&clock, "+0s\n")?;
    let mut command = world.run("everything");
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = [&with_the_true_clock(world, "rustc")?, &world.bin()]
        .map(|folder| folder.display().to_string())
        .join(":");
    command
        .env("PATH", format!("{programs}:{path}"))
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let mut run = world.start(&mut command)?;
    until_the_load(world)?;
    fs::write(&clock, format!("{jump}\n"))?;
    run.end()?.measured()?;
    let kept = only_run(world)?;
    ensure!(kept.complete, "the run was cut off");
    is_well(&kept)
}
