//! `driver solve` and `driver reset`: the texts of the edit points.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use lab_say::say;

use super::{Ended, up};
use crate::{
    edit::{Placed, Variant, place},
    scenario::{NAMES, built_in},
};

/// Which step.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// 1 to 4
    #[arg(value_parser = clap::value_parser!(u8).range(1..=4))]
    step: u8,
}

pub(super) fn solve(root: &Path, options: &Options) -> Result<Ended> {
    let scenario = built_in(NAMES[usize::from(options.step) - 1])?;
    for placed in place(root, &scenario, Variant::Solved)? {
        tell(&placed, "the reference");
    }
    say!("Next: make step{}", options.step);
    Ok(Ended::Well)
}

pub(super) async fn reset(root: &Path) -> Result<Ended> {
    for name in NAMES {
        for placed in place(root, &built_in(name)?, Variant::Starter)? {
            tell(&placed, "the starter");
        }
    }
    up::down(root).await?;
    up::wipe(root)?;
    say!("Reports and saved edits are untouched.");
    Ok(Ended::Well)
}

fn tell(placed: &Placed, what: &str) {
    match (&placed.saved, placed.changed) {
        (Some(copy), _) => say!(
            "{}: {what} is in place; your text is saved as {}",
            placed.file,
            copy.display()
        ),
        (None, true) => say!("{}: {what} is in place", placed.file),
        (None, false) => say!("{}: {what} was in place already", placed.file),
    }
}
