//! `driver solve` and `driver reset`: the texts of the edit points.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::Args;

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
    println!("Next: make step{}", options.step);
    Ok(Ended::Well)
}

pub(super) async fn reset(root: &Path) -> Result<Ended> {
    for name in NAMES {
        for placed in place(root, &built_in(name)?, Variant::Starter)? {
            tell(&placed, "the starter");
        }
    }
    up::down(root).await?;
    wipe(&root.join(".lab"))?;
    println!("Reports and saved edits are untouched.");
    Ok(Ended::Well)
}

fn tell(placed: &Placed, what: &str) {
    match (&placed.saved, placed.changed) {
        (Some(copy), _) => println!(
            "{}: {what} is in place; your text is saved as {}",
            placed.file,
            copy.display()
        ),
        (None, true) => println!("{}: {what} is in place", placed.file),
        (None, false) => println!("{}: {what} was in place already", placed.file),
    }
}

/// Removes the runtime state, but neither saved edits nor the lock that a run may hold.
fn wipe(state: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(state) else {
        return Ok(());
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if ["saved", "run.lock"]
            .iter()
            .any(|kept| path.ends_with(kept))
        {
            continue;
        }
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("can't remove {}", path.display()))?;
    }
    Ok(())
}
