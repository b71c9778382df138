//! `driver compare A B`: two runs side by side, or two groups.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use lab_record::{Check, Entry, Reports, Run};
use lab_report::compare::Comparison;
use lab_say::say;

use super::{
    Ended, Place,
    groups::{self, Groups},
};

/// Which runs.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The earlier run: its id, or the end of it that is unique; of several, separated by commas
    a: String,
    /// The later run, or runs
    b: String,
    #[command(flatten)]
    place: Place,
}

pub(super) fn compare(root: &Path, options: &Options) -> Result<Ended> {
    let reports = options.place.reports(root);
    let all = |names: &str| -> Result<Vec<Run>> {
        let names = names.split(',').filter(|name| !name.is_empty());
        names.map(|name| find(&reports, name)).collect()
    };
    let groups = Groups {
        a: all(&options.a)?,
        b: all(&options.b)?,
    };
    of_one_scenario(&groups)?;
    whole(&groups)?;
    let (a, b) = match (&groups.a[..], &groups.b[..]) {
        ([a], [b]) => (a, b),
        ([], _) | (_, []) => bail!("name a run on each side"),
        _ => {
            groups::show(&reports, &groups)?;
            return Ok(Ended::Well);
        }
    };
    let path = lab_report::write_comparison(&reports, a, b)?;
    let comparison = Comparison::of(a, b);
    say!("{}", comparison.sentence());
    for pair in &comparison.checks {
        let seen = |check: &Option<Check>| {
            check
                .as_ref()
                .map_or_else(|| "not asked".to_owned(), |check| check.seen.clone())
        };
        say!("  {}: {} → {}", pair.title, seen(&pair.a), seen(&pair.b));
    }
    for class in comparison
        .classes
        .iter()
        .filter(|class| class.has_failures())
    {
        let (a, b) = &class.failed;
        say!("  Failed requests of {}: {a} → {b}", class.name);
    }
    say!("  compare  {}", path.display());
    Ok(Ended::Well)
}

fn of_one_scenario(groups: &Groups) -> Result<()> {
    let mut runs = groups.a.iter().chain(&groups.b);
    let Some(first) = runs.next() else {
        return Ok(());
    };
    match runs.find(|run| !run.scenario.is_same(&first.scenario)) {
        None => Ok(()),
        Some(other) if other.scenario.name == first.scenario.name => bail!(
            "the scenario {} was changed between {} and {}; only runs of the same text can be compared, \
             so run both again",
            first.scenario.name,
            first.run_id,
            other.run_id,
        ),
        Some(other) => bail!(
            "{} is a run of {}, {} one of {}; only runs of one scenario can be compared",
            first.run_id,
            first.scenario.name,
            other.run_id,
            other.scenario.name
        ),
    }
}

/// What ended early was not measured whole.
fn whole(groups: &Groups) -> Result<()> {
    let mut runs = groups.a.iter().chain(&groups.b);
    match runs.find(|run| run.ended_early.is_some()) {
        None => Ok(()),
        Some(run) => bail!(
            "{} was ended early by --fail-fast; only whole runs can be compared, so run it again without",
            run.run_id
        ),
    }
}

/// The run whose id is or ends with `name`; a path to its folder does too.
pub(super) fn find(reports: &Reports, name: &str) -> Result<Run> {
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
