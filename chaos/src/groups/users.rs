//! Another user of the machine, beside what is not theirs. It takes root to be one.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Result;
use rustix::process::geteuid;

use super::stack::{down, is_free, stands, up};
use crate::{trial::Trial, world::World};

/// Their number; it need not have a name.
const OTHER: u32 = 65534;

pub(crate) fn users(trial: &mut Trial<'_>) {
    if !geteuid().is_root() {
        return trial.skip("another user", "it takes root");
    }
    if !reaches(trial.world) {
        return trial.skip("another user", "they do not reach this folder");
    }
    trial.case("a run of theirs", |world, _| {
        let project = theirs(world)?;
        let mut run = other(world, &project, &["run", "--scenario-file"]);
        run.arg(world.root.join("chaos/scenarios/everything.toml"));
        world.start(&mut run)?.end()?.measured()?.says("SCORE")?;
        Ok(())
    });
    trial.case("the databases' place is theirs", |world, _| {
        let store = format!("lab-postgres-{}", geteuid().as_raw());
        let store = world.tmp().join(store);
        if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        fs::create_dir(&store)?;
        chown(&store, Some(OTHER), Some(OTHER))?;
        let ended = world.start(&mut world.run("everything"))?.end();
        fs::remove_dir_all(&store)?;
        ended?.with(&[2])?.says("lab-postgres")?;
        Ok(())
    });
    if !is_free() {
        return trial.skip(
            "up and down by another user",
            "ports 30080 and 30081 are taken",
        );
    }
    trial.case("down by them in our folder", |world, _| {
        up(world)?;
        let mut theirs = other(world, &world.root, &["down"]);
        let ended = world.start(&mut theirs)?.end();
        stands()?;
        down(world)?;
        ended?.with(&[2])?.says("up.json")?;
        Ok(())
    });
    trial.case("up by them beside ours", |world, _| {
        let project = theirs(world)?;
        up(world)?;
        let ended = world.start(&mut other(world, &project, &["up"]))?.end();
        stands()?;
        down(world)?;
        ended?.with(&[2])?.says("30080")?;
        Ok(())
    });
}

/// The driver as they run it, in `folder`.
fn other(world: &World, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(world.bin().join("driver"));
    command.args(arguments);
    world.equip(&mut command);
    command
        .uid(OTHER)
        .gid(OTHER)
        .current_dir(folder)
        .env("TMPDIR", world.tmp())
        .env("HOME", folder);
    command
}

/// A project of their own, as far as a stack needs one.
fn theirs(world: &World) -> Result<PathBuf> {
    let project = world.tmp().join("theirs");
    fs::create_dir_all(project.join("driver/scenarios"))?;
    fs::create_dir_all(project.join("lab-services"))?;
    for file in ["Cargo.toml", "lab-services/Cargo.toml"] {
        fs::copy(world.root.join(file), project.join(file))?;
    }
    fs::set_permissions(&project, fs::Permissions::from_mode(0o755))?;
    chown(&project, Some(OTHER), Some(OTHER))?;
    Ok(project)
}

/// Whether they can start our programs, where this project is.
fn reaches(world: &World) -> bool {
    let status = other(world, Path::new("/"), &["--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
