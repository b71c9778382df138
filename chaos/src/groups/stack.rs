//! `up` and `down`, and what is left where the holder is killed.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::{process, trial::Trial, world::World};

const PORTS: [u16; 2] = [30080, 30081];

pub(crate) fn stack(trial: &mut Trial<'_>) {
    if !is_free() {
        return trial.skip("up and down", "ports 30080 and 30081 are taken");
    }
    for _ in 0..trial.times(1, 30) {
        trial.case("up, up again, dev, down", |world, _| {
            up(world)?;
            world
                .start(&mut world.driver(&["up"]))?
                .end()?
                .with(&[0])?
                .says("Already up.")?;
            world
                .start(&mut world.driver(&["up", "--restart"]))?
                .end()?
                .with(&[0])?;
            down(world)
        });
    }
    for _ in 0..trial.times(1, 10) {
        trial.case("the holder is killed, then up", |world, _| {
            kill_holder(world)?;
            up(world)?;
            down(world)
        });
        trial.case(
            "the holder is killed, its port taken, then up",
            |world, _| {
                kill_holder(world)?;
                let _thief = TcpListener::bind(("127.0.0.1", PORTS[0]))?;
                world
                    .start(&mut world.driver(&["up"]))?
                    .end()?
                    .with(&[2])?
                    .says("30080")?;
                Ok(())
            },
        );
        trial.case(
            "the holder's number is a stranger's, then down",
            |world, _| stranger(world),
        );
        trial.case("down in the middle of the first up", |world, random| {
            world.forget_templates()?;
            let mut up = world.start(&mut world.driver(&["up"]))?;
            thread::sleep(Duration::from_millis(random.u64(..1_500)));
            world
                .start(&mut world.driver(&["down"]))?
                .end()?
                .with(&[0])?;
            up.end()?;
            down(world)
        });
        trial.case("a port stolen in the middle of up", |world, random| {
            let mut up = world.start(&mut world.driver(&["up"]))?;
            thread::sleep(Duration::from_millis(random.u64(..400)));
            let thief = TcpListener::bind(("127.0.0.1", PORTS[0]));
            up.end()?.with(if thief.is_ok() { &[0, 2] } else { &[0] })?;
            drop(thief);
            down(world)
        });
        trial.case("Ctrl-C in the middle of the first up", |world, random| {
            world.forget_templates()?;
            let mut up = world.start(&mut world.driver(&["up"]))?;
            thread::sleep(Duration::from_millis(random.u64(100..800)));
            up.signal_group(Signal::INT)?;
            let ended = up.end()?;
            ensure!(
                ended.code().is_none_or(|code| [0, 130].contains(&code)),
                "{ended:?}"
            );
            down(world)
        });
    }
}

/// Whether nobody is at the ports of a stack.
pub(super) fn is_free() -> bool {
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    PORTS.into_iter().all(free)
}

/// Fails unless somebody is at both.
pub(super) fn stands() -> Result<()> {
    for port in PORTS {
        TcpStream::connect(("127.0.0.1", port)).context("the stack is not up")?;
    }
    Ok(())
}

pub(super) fn up(world: &World) -> Result<()> {
    let ended = world.start(&mut world.driver(&["up"]))?.end()?;
    ended.with(&[0])?.says("make down stops them")?;
    stands()
}

pub(super) fn down(world: &World) -> Result<()> {
    world
        .start(&mut world.driver(&["down"]))?
        .end()?
        .with(&[0])?;
    ensure!(is_free(), "somebody is still at the ports");
    Ok(())
}

/// Brings a stack up and kills its holder, which leaves its file.
fn kill_holder(world: &World) -> Result<()> {
    up(world)?;
    let sign = world.root.join("chaos-bin/driver").display().to_string() + " up --foreground";
    let holder = process::table()?
        .into_iter()
        .find(|process| process.command.contains(&sign));
    process::kill(&holder.context("no holder")?, Signal::KILL)?;
    process::until("the ports are free", || Ok(is_free().then_some(())))
}

/// Whoever has the number of a killed holder by now is not sent anything.
fn stranger(world: &World) -> Result<()> {
    kill_holder(world)?;
    let mut stranger = Command::new("sleep").arg("60").process_group(0).spawn()?;
    let file = world.root.join(".lab/up.json");
    let mut entry: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    entry["pid"] = stranger.id().into();
    fs::write(&file, entry.to_string())?;
    let told = world.start(&mut world.driver(&["down"]))?.end();
    let lives = stranger.try_wait()?.is_none();
    stranger.kill()?;
    stranger.wait()?;
    told?.with(&[0])?.says("Nothing is up.")?;
    ensure!(lives, "a stranger was ended");
    Ok(())
}
