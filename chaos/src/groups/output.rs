//! Nobody reads what the driver says any more: the run goes on.

use std::{fs::File, io::Read, path::Path, process::Stdio, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::kills::{is_well, only_run};
use crate::{process::Program, trial::Trial, world::World};

pub(crate) fn output(trial: &mut Trial<'_>) {
    for _ in 0..trial.times(1, 8) {
        trial.case("a reader who leaves", reader);
        trial.case("a terminal that is closed", |world, _| terminal(world));
        if Path::new("/dev/full").exists() {
            trial.case("a full device", |world, _| full(world));
        } else {
            trial.skip("a full device", "no /dev/full");
        }
    }
}

fn is_kept(world: &World, run: &mut Program) -> Result<()> {
    run.end()?.measured()?;
    is_well(&only_run(world)?)
}

fn reader(world: &World, random: &mut Rng) -> Result<()> {
    let mut command = world.run("plain");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = Program::start_as_is(&mut command, world.output())?;
    thread::sleep(Duration::from_millis(random.u64(..2_500)));
    let child = run.child();
    drop((child.stdout.take(), child.stderr.take()));
    is_kept(world, &mut run)
}

/// Both streams are a terminal that goes while a progress bar moves in it.
fn terminal(world: &World) -> Result<()> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let name = Path::new(name.to_str().context("a name")?).to_owned();
    let ours = || File::options().read(true).write(true).open(&name);
    let mut command = world.run("plain");
    command.stdout(ours()?).stderr(ours()?);
    let mut run = Program::start_as_is(&mut command, world.output())?;
    drop(command);
    let mut screen = File::from(master);
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("req/s") {
        let mut piece = [0; 1024];
        let length = screen.read(&mut piece)?;
        ensure!(length > 0, "the run ended before its load");
        seen.extend(&piece[..length]);
    }
    drop(screen);
    is_kept(world, &mut run)
}

fn full(world: &World) -> Result<()> {
    let mut command = world.run("plain");
    let open = || File::options().write(true).open("/dev/full");
    command.stdout(open()?).stderr(open()?);
    let mut run = Program::start_as_is(&mut command, world.output())?;
    // An INVALID run has that code, whatever else there is to say.
    run.end()?.with(&[2, 3])?;
    is_well(&only_run(world)?)
}
