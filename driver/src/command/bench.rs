//! `driver bench`: the bars of the workshop, measured here and now: edit to ready, start-up, and
//! how long the runs take.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use super::{Ended, Place, Session, Variants};
use crate::{
    file, host,
    interrupt::Interrupted,
    platform::{ApiSpec, Platform, StackSpec, local::RunLock},
    scenario::{NAMES, built_in},
};

/// The text in which a line is changed to see how long a participant waits.
const EDITED: &str = "lab-services/src/cases/timeouts.rs";

/// Edits that are timed; the median is shown.
const EDITS: usize = 5;

pub(super) async fn bench(session: &Session, place: &Place) -> Result<Ended> {
    let root = session.root.as_path();
    place.check_platform()?;
    let _lock = RunLock::acquire(root, "bench")?;
    let platform = place.build(session, Variants::Taught).await?;
    let host = host::host();
    println!(
        "{} {}, {} cores, kernel {}",
        host.os, host.arch, host.cores, host.kernel
    );
    start(session, platform.as_ref(), &spec(false)).await?;

    let edits = time_edits(session, place).await?;
    println!(
        "one-line edit → rebuilt, started, ready   {} s   (bar: 5 s)",
        spread(&edits)
    );

    let mut plain = Vec::new();
    let mut database = Vec::new();
    for _ in 0..EDITS {
        plain.push(start(session, platform.as_ref(), &spec(false)).await?);
        database.push(start(session, platform.as_ref(), &spec(true)).await?);
    }
    println!(
        "start without a database                  {} s",
        spread(&plain)
    );
    println!(
        "start with a fresh PostgreSQL              {} s   ({:.1} × without)",
        spread(&database),
        median(&database) / median(&plain)
    );
    for name in NAMES {
        let length = built_in(name)?.duration().as_secs_f64();
        println!(
            "load of {name:10}                        {length:.0} s   (bar for the run: 30 s)"
        );
    }
    Ok(Ended::Well)
}

fn spec(database: bool) -> StackSpec {
    StackSpec {
        api: Some(ApiSpec {
            database,
            ..ApiSpec::default()
        }),
        ..StackSpec::new("mine")
    }
}

/// Starts a stack, stops it, and gives the seconds until it was ready.
async fn start(session: &Session, platform: &dyn Platform, spec: &StackSpec) -> Result<f64> {
    let begun = Instant::now();
    let stack = tokio::select! {
        stack = platform.start(spec) => stack?,
        () = session.interrupt.cancelled() => bail!(Interrupted),
    };
    let ready = begun.elapsed().as_secs_f64();
    stack.control.stop().await?;
    Ok(ready)
}

async fn time_edits(session: &Session, place: &Place) -> Result<Vec<f64>> {
    let edit = Edit::of(&session.root)?;
    let mut seconds = Vec::new();
    for round in 0..EDITS {
        edit.change(round)?;
        let begun = Instant::now();
        let platform = place.build(session, Variants::Taught).await?;
        let built = begun.elapsed().as_secs_f64();
        seconds.push(built + start(session, platform.as_ref(), &spec(false)).await?);
    }
    Ok(seconds)
}

/// A file that is changed for a while and has its own text again at the end.
struct Edit {
    path: PathBuf,
    text: String,
}

impl Edit {
    fn of(root: &Path) -> Result<Self> {
        let path = root.join(EDITED);
        let text =
            fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        // Whatever ends this process, the text is not lost.
        let copy = root.join(".lab/saved/bench").join(EDITED);
        file::replace(&copy, text.as_bytes())
            .with_context(|| format!("can't write {}", copy.display()))?;
        Ok(Self { path, text })
    }

    /// A statement more at the start of the first function's body: real work for the compiler,
    /// not a comment.
    fn change(&self, round: usize) -> Result<()> {
        let (head, body) = self
            .text
            .split_once("{\n    ")
            .context("no function to edit")?;
        let line = format!("let _bench = {round} + std::process::id() as usize;");
        let text = format!("{head}{{\n    {line}\n    {body}");
        file::replace(&self.path, text.as_bytes())
            .with_context(|| format!("can't write {}", self.path.display()))
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        if let Err(error) = file::replace(&self.path, self.text.as_bytes()) {
            eprintln!(
                "can't restore {}: {error}; its text was:\n{}",
                self.path.display(),
                self.text
            );
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Median and range, seconds.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2}–{most:.2})", median(values))
}
