//! Nobody reads what the driver says any more: the run goes on.

use std::{fs::File, io::Read, path::Path, process::Stdio, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lab_record::Outcome;
use rustix::{
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use super::{kills::only_run, signals::until_the_load};
use crate::{process::Program, trial::Trial, world::World};

pub(crate) fn output(trial: &mut Trial<'_>) {
    for _ in 0..trial.times(1, 8) {
        trial.case("a reader who leaves", reader);
        trial.case("a terminal that is closed", |world, _| terminal(world));
        trial.case("a guide that is killed", |world, _| guide(world));
        if Path::new("/dev/full").exists() {
            trial.case("a full device", |world, _| full(world));
        } else {
            trial.skip("a full device", "no /dev/full");
        }
    }
}

fn is_kept(world: &World, run: &mut Program) -> Result<()> {
    run.end()?.with(&[0])?;
    let kept = only_run(world)?;
    ensure!(kept.verdict.outcome == Outcome::Pass, "{:?}", kept.verdict);
    Ok(())
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

/// A make target with its output in pipes, as the guide starts one; whoever reads them is killed.
fn guide(world: &World) -> Result<()> {
    let reader = r#""$@" 2>&1 | { cat <&3 >/dev/null & echo $! >"$0"; wait; } 3<&0"#;
    let place = world.tmp().join("reader");
    let mut command = world.command(Path::new("sh"), &["-c", reader]);
    command.arg(&place).args(["make", "-s", "run-of-the-chaos"]);
    let makefile = world.root.join("Makefile");
    let text = std::fs::read_to_string(&makefile)?;
    if !text.contains("run-of-the-chaos") {
        let target =
            "\nrun-of-the-chaos:\n\t@driver run --scenario-file chaos/scenarios/plain.toml\n";
        std::fs::write(&makefile, text + target)?;
    }
    let mut run = world.start(&mut command)?;
    until_the_load(world)?;
    let pid = std::fs::read_to_string(&place)?;
    let reader = crate::process::below(run.pid())?
        .into_iter()
        .find(|process| Ok(process.pid) == pid.trim().parse())
        .context("no reader")?;
    crate::process::kill(&reader, Signal::KILL)?;
    run.end()?;
    let kept = only_run(world)?;
    ensure!(kept.verdict.outcome == Outcome::Pass, "{:?}", kept.verdict);
    Ok(())
}

fn full(world: &World) -> Result<()> {
    let mut command = world.run("plain");
    let open = || File::options().write(true).open("/dev/full");
    command.stdout(open()?).stderr(open()?);
    let mut run = Program::start_as_is(&mut command, world.output())?;
    run.end()?.with(&[2])?;
    ensure!(
        only_run(world)?.verdict.outcome == Outcome::Pass,
        "not kept"
    );
    Ok(())
}
