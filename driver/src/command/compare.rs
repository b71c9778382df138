//! `driver compare A B`: two runs side by side.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use lab_record::{Check, Entry, Reports, Run};

use super::{Ended, Place};
use crate::{compare::Comparison, report};

/// Which runs.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The earlier run: its id, or the end of it that is unique
    a: String,
    /// The later run
    b: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn compare(root: &Path, options: &Options) -> Result<Ended> {
    let reports = options.place.reports(root);
    let (a, b) = (find(&reports, &options.a)?, find(&reports, &options.b)?);
    if a.scenario.name != b.scenario.name {
        bail!(
            "{} is a run of {}, {} one of {}; only runs of one scenario can be compared",
            a.run_id,
            a.scenario.name,
            b.run_id,
            b.scenario.name
        );
    }
    let path = report::write_comparison(&reports, &a, &b)?;
    let comparison = Comparison::of(&a, &b);
    println!("{}", comparison.sentence());
    for pair in &comparison.checks {
        let seen = |check: &Option<Check>| {
            check
                .as_ref()
                .map_or_else(|| "not asked".to_owned(), |check| check.seen.clone())
        };
        println!("  {}: {} → {}", pair.title, seen(&pair.a), seen(&pair.b));
    }
    println!("  compare  {}", path.display());
    Ok(Ended::Well)
}

/// The run whose id is or ends with `name`; a path to its folder does too.
fn find(reports: &Reports, name: &str) -> Result<Run> {
    let wanted = name
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(name);
    let mut found = Vec::new();
    for entry in reports.entries() {
        match entry {
            Entry::Run(run) if run.run_id.as_str().ends_with(wanted) => found.push(*run),
            Entry::Unreadable { folder, error } if folder.ends_with(wanted) => bail!(error),
            _ => {}
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => bail!(
            "no run `{name}` in {}; index.html there lists them",
            reports.root().display()
        ),
        n => bail!(
            "`{name}` fits {n} runs in {}; give more of the id",
            reports.root().display()
        ),
    }
}
