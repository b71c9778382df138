//! The power goes in the moment in which a run says that it is done: what a disk has by then is a copy of its image,
//! without what the system had yet to write.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lab_record::{Entry, Reports};

use super::disks::{Mount, mounts};
use crate::{
    process::until,
    trial::Trial,
    world::{World, reports_are_whole, works},
};

pub(crate) fn power(trial: &mut Trial<'_>) {
    if !(mounts() && works("mkfs.ext4", &["-V"]) && works("losetup", &["-f"])) {
        return trial.skip("power cuts", "they take root, mkfs.ext4 and loop devices");
    }
    for _ in 0..trial.times(1, 20) {
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
    run.end()?.measured()?;
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
