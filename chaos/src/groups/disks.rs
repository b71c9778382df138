//! Disks that are full, closed or without power. The disks are small ones of our own, which takes root and Linux.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lab_record::{Entry, Reports};

use super::signals::until_the_load;
use crate::{
    process::until,
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
        run.end()?.with(&[0, 2])?.says("SCORE")?;
        Ok(())
    });
    if !mounts() {
        return trial.skip("full and read-only disks", "they take root and mount");
    }
    for _ in 0..trial.times(3, 20) {
        trial.case("a full disk for reports", full_reports);
    }
    trial.case("a full disk for .lab", |world, _| full_lab(world));
    trial.case("a read-only project", |world, _| read_only(world));
}

/// A disk that is there as long as this value.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], at: &Path) -> Result<Self> {
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

fn mounts() -> bool {
    cfg!(target_os = "linux") && works("unshare", &["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
}

/// From no room for the first line to room for all but the last page.
fn full_reports(world: &World, random: &mut Rng) -> Result<()> {
    let size = format!("size={}k", 4 * random.u64(1..40));
    let _disk = Mount::new(&["-t", "tmpfs", "-o", &size, "none"], &world.reports())?;
    let mut run = world.start(&mut world.run("plain"))?;
    let ended = run.end()?;
    ended.with(&[0, 2])?;
    if ended.code() == Some(2) {
        ended.says("can't")?;
    }
    let kept = Reports::at(world.reports()).entries();
    if kept.iter().any(|entry| matches!(entry, Entry::Run(_))) {
        ended.says("SCORE")?;
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

/// The power goes in the moment in which a run says that it is done: what a disk has by then is a copy of its image,
/// without what the system had yet to write.
pub(crate) fn power(trial: &mut Trial<'_>) {
    if !(mounts() && works("mkfs.ext4", &["-V"]) && works("losetup", &["-f"])) {
        return trial.skip("power cuts", "they take root, mkfs.ext4 and loop devices");
    }
    for _ in 0..trial.times(2, 20) {
        trial.case("a power cut after a run", |world, _| power_cut(world));
        trial.case("a power cut after solve", |world, _| {
            power_cut_after_solve(world)
        });
    }
}

/// A disk of our own and what it would be after a power cut.
struct Disk {
    image: PathBuf,
    mount: Option<Mount>,
}

impl Disk {
    fn new(world: &World, at: &Path) -> Result<Self> {
        let image = world.tmp().join("disk");
        fs::File::create(&image)?.set_len(32 << 20)?;
        let path = image.display().to_string();
        ensure!(
            works("mkfs.ext4", &["-q", &path]),
            "can't make a file system"
        );
        let mount = Mount::new(&["-o", "loop", &path], at)?;
        Ok(Self {
            image,
            mount: Some(mount),
        })
    }

    /// Cuts the power; the disk is at the same place then, as it is found afterwards.
    fn cut(&mut self, world: &World, at: &Path) -> Result<()> {
        let copy = world.tmp().join("disk-after");
        fs::copy(&self.image, &copy)?;
        self.mount = None;
        self.mount = Some(Mount::new(
            &["-o", "loop", &copy.display().to_string()],
            at,
        )?);
        Ok(())
    }
}

fn power_cut(world: &World) -> Result<()> {
    let reports = world.reports();
    let mut disk = Disk::new(world, &reports)?;
    let mut run = world.start(&mut world.run("plain"))?;
    run.end()?.with(&[0])?;
    disk.cut(world, &reports)?;
    let kept = Reports::at(&reports).entries();
    ensure!(
        matches!(&kept[..], [Entry::Run(run)] if run.complete),
        "the run is not there: {kept:?}"
    );
    ensure!(
        reports.join("index.html").exists(),
        "the index is not there"
    );
    reports_are_whole(&reports)
}

fn power_cut_after_solve(world: &World) -> Result<()> {
    let cases = world.root.join("lab-services/src/cases");
    let kept = world.tmp().join("cases");
    works(
        "cp",
        &[
            "-R",
            &cases.display().to_string(),
            &kept.display().to_string(),
        ],
    );
    let mut disk = Disk::new(world, &cases)?;
    for entry in fs::read_dir(&kept)? {
        let from = entry?.path().display().to_string();
        works("cp", &["-R", &from, &cases.display().to_string()]);
    }
    works("sync", &[]);
    // Another file system than .lab's: the text is kept beside the edit point.
    let mine = fs::read_to_string(cases.join("timeouts.rs"))?;
    world
        .start(&mut world.driver(&["solve", "1"]))?
        .end()?
        .with(&[0])?;
    disk.cut(world, &cases)?;
    let now = fs::read_to_string(cases.join("timeouts.rs")).context("the edit point is gone")?;
    let reference = fs::read_to_string(cases.join("solved/timeouts.rs"))?;
    let saved = found(&cases.join(".lab"), &mine)?;
    ensure!(now == reference, "the reference is not in place");
    ensure!(saved, "the participant's text is lost");
    drop(disk);
    until("the disk is gone", || {
        thread::sleep(Duration::from_millis(10));
        Ok(cases.join("timeouts.rs").exists().then_some(()))
    })
}

/// Whether a file below `folder` has this text.
fn found(folder: &Path, text: &str) -> Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && found(&path, text)?
            || path.is_file() && fs::read(&path)? == text.as_bytes()
        {
            return Ok(true);
        }
    }
    Ok(false)
}
