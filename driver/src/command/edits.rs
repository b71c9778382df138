//! `driver solve`, `driver catchup` and `driver reset`: the texts of the edit points.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;
use lab_say::{reason, say};

use super::{Ended, up};
use crate::{
    edit::{Placed, State, Variant, place},
    scenario::{step, steps},
};

/// Which step.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Its number or its scenario
    step: String,
}

pub(super) fn solve(root: &Path, options: &Options) -> Result<Ended> {
    let scenario = step(&options.step)?;
    tell(place(root, &scenario, Variant::Solved), "the reference")?;
    if let Some(number) = scenario.step {
        say!("make step{number} runs it");
    }
    Ok(Ended::Well)
}

/// The references of all steps before one, so that whoever comes late begins where the others are.
pub(super) fn catch_up(root: &Path, options: &Options) -> Result<Ended> {
    let here = step(&options.step)?;
    let mut placed = Vec::new();
    for scenario in steps()? {
        if scenario.step < here.step {
            placed.extend(place(root, &scenario, Variant::Solved));
        }
    }
    if placed.is_empty() {
        say!("No step comes before this one.");
    }
    tell(placed, "the reference")?;
    if let Some(number) = here.step {
        say!("Next: make step{number}");
    }
    Ok(Ended::Well)
}

pub(super) async fn reset(root: &Path) -> Result<Ended> {
    let mut placed = Vec::new();
    for scenario in steps()? {
        placed.extend(place(root, &scenario, Variant::Starter));
    }
    let told = tell(placed, "the starter");
    up::down(root).await?;
    up::wipe(root)?;
    told?;
    say!("Reports and saved edits are untouched.");
    Ok(Ended::Well)
}

/// Says what happened to each file; what could not be done is the error.
fn tell(all: Vec<Result<Placed>>, what: &str) -> Result<()> {
    let mut failed = Vec::new();
    for placed in all {
        match placed {
            Ok(placed) => tell_one(&placed, what),
            Err(error) => failed.push(reason(error.as_ref())),
        }
    }
    ensure!(failed.is_empty(), failed.join("\nerror: "));
    Ok(())
}

pub(super) fn tell_one(placed: &Placed, what: &str) {
    let file = &placed.file;
    match placed.state {
        State::Unchanged => say!("{file}: {what} was in place already"),
        State::Changed => say!("{file}: {what} is in place"),
        State::Overtaken => say!(
            "{file}: what your editor has saved since is in place; close it there and try again for {what}"
        ),
    }
    for copy in &placed.saved {
        say!("  your text is saved as {}", copy.display());
    }
}
