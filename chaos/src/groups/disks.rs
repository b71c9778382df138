//! Disks that are full, closed or in the way. The disks are small ones of our own, which takes root and Linux.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use fastrand::Rng;
use lab_record::{Entry, Reports};

use super::signals::until_the_load;
use crate::{
    trial::Trial,
    world::{World, reports_are_whole, works},
};

pub(crate) fn disks(trial: &mut Trial<'_>) {
    trial.case("reports are a file", |world, _| {
        fs::write(world.reports(), "in the way")?;
        let mut run = world.start(&mut world.run("plain"))?;
        run.end()?.with(&[2])?.says("reports")?;
        Ok(fs::remove_file(world.reports())?)
    });
    trial.case("reports are removed in the load", |world, _| {
        let mut run = world.start(&mut world.run("plain"))?;
        until_the_load(world)?;
        fs::remove_dir_all(world.reports())?;
        run.end()?.with(&[0, 2, 3])?.says("SCORE")?;
        Ok(())
    });
    if !mounts() {
        return trial.skip("full and read-only disks", "they take root and mount");
    }
    for _ in 0..trial.times(3, 20) {
        trial.case("a full disk for reports", full_reports);
    }
    trial.case("a disk that gets full in the load", |world, _| {
        full_in_the_load(world)
    });
    trial.case("a full disk for .lab", |world, _| full_lab(world));
    for _ in 0..trial.times(2, 20) {
        trial.case("a full disk for what is built", full_target);
    }
    trial.case("a read-only project", |world, _| read_only(world));
}

/// A disk that is there as long as this value.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn new(arguments: &[&str], at: &Path) -> Result<Self> {
        fs::create_dir_all(at)?;
        let status = Command::new("mount").args(arguments).arg(at).status()?;
        ensure!(status.success(), "can't mount at {}", at.display());
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What still holds it is told by what is looked at later.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Whether disks of our own can be had.
pub(super) fn mounts() -> bool {
    cfg!(target_os = "linux") && works("unshare", &["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
}

/// From no room for the first line to room for all but the last page.
fn full_reports(world: &World, random: &mut Rng) -> Result<()> {
    let size = format!("size={}k", 4 * random.u64(1..40));
    let _disk = Mount::new(&["-t", "tmpfs", "-o", &size, "none"], &world.reports())?;
    let mut run = world.start(&mut world.run("plain"))?;
    let ended = run.end()?;
    ended.with(&[0, 2, 3])?;
    if ended.code() == Some(2) {
        ended.says("can't")?;
    }
    let kept = Reports::at(world.reports()).entries();
    if kept.iter().any(|entry| matches!(entry, Entry::Run(_))) {
        ended.says("SCORE")?;
    }
    reports_are_whole(&world.reports())
}

/// Eight pages, of which the services' logs take one or two and the plan of a run of many phases four, are room for some of
/// the lines that it writes as it goes: there is no half one.
fn full_in_the_load(world: &World) -> Result<()> {
    let plain = fs::read_to_string(world.root.join("chaos/scenarios/plain.toml"))?;
    let phases = (0..60).map(|n| {
        let name = "p".repeat(200);
        format!("[[phases]]\nname = \"{name}{n}\"\nduration = \"50ms\"\n\n")
    });
    let only = "[[phases]]\nname = \"only\"\nduration = \"2s\"\n\n";
    ensure!(plain.contains(only), "plain.toml has other phases");
    let file = world.tmp().join("phases.toml");
    fs::write(
        &file,
        plain.replace(only, &phases.collect::<Vec<_>>().concat()),
    )?;
    let _disk = Mount::new(&["-t", "tmpfs", "-o", "size=32k", "none"], &world.reports())?;
    let file = file.display().to_string();
    let mut command = world.driver(&["run", "--scenario-file", &file]);
    let ended = world.start(&mut command)?.end()?;
    ended.with(&[2])?.says("events.jsonl")?.says("Make room")?;
    let runs = fs::read_dir(world.reports().join("plain"))?;
    for run in runs {
        let text = fs::read_to_string(run?.path().join("events.jsonl"))?;
        ensure!(
            text.len() > 16 * 1024 && text.ends_with('\n'),
            "it ends within a line:\n{text}"
        );
    }
    reports_are_whole(&world.reports())
}

fn full_lab(world: &World) -> Result<()> {
    let lab = world.root.join(".lab");
    let _disk = Mount::new(&["-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "none"], &lab)?;
    // The last file that it takes.
    fs::write(lab.join("full"), [0; 4096])?;
    world
        .start(&mut world.run("plain"))?
        .end()?
        .with(&[2])?
        .says(".lab")?;
    world.start(&mut world.driver(&["solve", "1"]))?.end()?;
    world.start(&mut world.driver(&["reset"]))?.end()?;
    // While the disk is there: what was moved may be on it.
    world.look()
}

/// A small project and the real compiler, with less room than it takes: the code is not blamed for that.
fn full_target(world: &World, random: &mut Rng) -> Result<()> {
    let project = world.tmp().join("small");
    let package = project.join("lab-services");
    fs::create_dir_all(package.join("src"))?;
    fs::create_dir_all(project.join("driver/scenarios"))?;
    fs::write(
        project.join("Cargo.toml"),
        "[workspace]\nmembers = [\"lab-services\"]\nresolver = \"3\"\n[profile.lab]\ninherits = \"dev\"\n",
    )?;
    fs::write(
        package.join("Cargo.toml"),
        "[package]\nname = \"lab-services\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [[bin]]\nname = \"lab\"\npath = \"src/main.rs\"\n",
    )?;
    fs::write(package.join("src/main.rs"), "fn main() {}\n")?;
    let size = format!("size={}k", 4 * random.u64(1..250));
    let target = project.join("target");
    let _disk = Mount::new(&["-t", "tmpfs", "-o", &size, "none"], &target)?;
    let mut command = world.driver(&["run", "timeouts"]);
    command
        .current_dir(&project)
        .env("PATH", std::env::var("PATH").unwrap_or_default());
    let ended = world.start(&mut command)?.end()?;
    ended.with(&[2])?.says("make room")?;
    ensure!(
        !ended.text.contains("fix the code"),
        "it blames the code:\n{}",
        ended.text
    );
    Ok(())
}

fn read_only(world: &World) -> Result<()> {
    let root = world.root.display().to_string();
    let script =
        r#"mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@""#;
    for arguments in [&["solve", "1"][..], &["reset"], &["run", "timeouts"]] {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, &root]);
        command
            .arg(world.root.join("chaos-bin/driver"))
            .args(arguments);
        world
            .start(&mut command)?
            .end()?
            .with(&[2])?
            .says("ead-only")?;
    }
    Ok(())
}
