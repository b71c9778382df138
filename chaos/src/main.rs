//! `make chaos`: faults with the real programs, on a copy of the project. Each group says what it tries; what must
//! hold after every try is in [`world`]. Seeded: the same seed tries the same again.

mod groups;
mod guide;
mod process;
mod table;
mod trial;
mod world;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use lab_say::{note, say};
use trial::Trial;
use world::World;

/// Tries faults with the real programs and counts what is lost.
#[derive(Parser)]
struct Options {
    /// Try much more: an hour or two instead of some three minutes
    #[arg(long)]
    long: bool,
    /// The seed of all that is random [default: by the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Only this group
    #[arg(long, value_name = "GROUP")]
    only: Option<String>,
}

fn main() -> ExitCode {
    match tried(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            note!("error: {}", lab_say::reason(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was lost.
fn tried(options: &Options) -> Result<bool> {
    let project = project()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let world = World::make(&project)?;
    let mut trial = Trial::new(&world, seed, options.long);
    say!("chaos with seed {seed}");
    for (name, group) in groups::ALL {
        if options.only.as_deref().is_none_or(|only| only == *name) {
            trial.group(name, *group);
        }
    }
    anyhow::ensure!(
        trial.tried() > 0,
        "no such group; there are {}",
        groups::names()
    );
    let table = table::markdown(&trial, seed, options.long);
    say!("\n{table}");
    let folder = project.join("reports/chaos");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("table.md"), &table))
        .with_context(|| format!("can't write to {}", folder.display()))?;
    Ok(trial.lost() == 0)
}

/// The project's folder, from here up.
fn project() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    here.ancestors()
        .find(|folder| folder.join("driver/scenarios").is_dir())
        .map(std::path::Path::to_owned)
        .context("run this inside the project")
}
