//! `driver clean-reports`: removes old runs, where somebody asks for it. Each scenario keeps its newest ones, what
//! another run is compared with stays, and so does everything that is not known to be a run.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use lab_record::{Others, Reports, Run, RunId};
use lab_say::say;

use super::{Ended, Place};
use crate::{guide, platform::local::RunLock};

/// What to keep.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// How many runs of each scenario stay, the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    keep: u32,
    #[command(flatten)]
    place: Place,
}

pub(super) fn clean_reports(root: &Path, options: &Options) -> Result<Ended> {
    let reports = options.place.reports(root);
    // A run that is going on must find the one that it is compared with.
    let _lock = RunLock::acquire(root, "clean-reports")?;
    let runs = lab_report::runs(&reports);
    finish_removing(&reports)?;
    let old = old(&runs, options.keep as usize);
    let removed = old
        .iter()
        .map(|run| remove(&reports, run))
        .sum::<Result<usize>>()?;
    if removed > 0 {
        link_again(&reports, options.keep as usize)?;
    }
    // Whether or not anything was removed now: an earlier time may have been ended before it came to this.
    if reports.root().is_dir() {
        lab_report::write_index(&reports, &guide::home(root, &reports))?;
    }
    say!(
        "{removed} runs removed, {} kept; {}",
        runs.len() - removed,
        reports.root().display()
    );
    Ok(Ended::Well)
}

/// The runs that are neither among the newest `keep` of their scenario nor what one of these is compared with. `runs`
/// are oldest first.
fn old(runs: &[Run], keep: usize) -> Vec<&Run> {
    let (new, old): (Vec<_>, Vec<_>) = (0..runs.len()).partition(|at| is_new(runs, *at, keep));
    let compared: BTreeSet<&RunId> = new
        .into_iter()
        .flat_map(|at| Others::among(runs, &runs[at]).iter())
        .map(|run| &run.run_id)
        .collect();
    old.into_iter()
        .map(|at| &runs[at])
        .filter(|run| !compared.contains(&run.run_id))
        .collect()
}

/// Whether a run is one of the newest `keep` of its scenario.
fn is_new(runs: &[Run], at: usize, keep: usize) -> bool {
    let later = runs[at + 1..].iter();
    let of_scenario = later.filter(|later| later.scenario.name == runs[at].scenario.name);
    of_scenario.count() < keep
}

/// Makes the reports again that stay only for the sake of newer ones: what they were compared with may be gone.
fn link_again(reports: &Reports, keep: usize) -> Result<()> {
    let runs = lab_report::runs(reports);
    for (at, run) in runs.iter().enumerate() {
        if !is_new(&runs, at, keep) {
            let others = Others::among(&runs, run);
            lab_report::write_comparisons(reports, run, &others)?;
            lab_report::write_run(reports, run, &others)?;
        }
    }
    Ok(())
}

/// What a folder is called while it is removed: no longer like a run, so that nobody finds half of one.
const REMOVED: &str = "removed";

/// Removes the folder of a run and the comparisons of it; how many runs that were.
fn remove(reports: &Reports, run: &Run) -> Result<usize> {
    let Some(folder) = folder_of(reports, run) else {
        return Ok(0);
    };
    for page in comparisons(reports, &run.run_id)? {
        fs::remove_file(&page).with_context(|| format!("can't remove {}", page.display()))?;
    }
    let going = folder.with_extension(REMOVED);
    fs::rename(&folder, &going).with_context(|| format!("can't rename {}", folder.display()))?;
    remove_folder(&going)?;
    Ok(1)
}

/// Removes what an earlier time began to, and was ended.
fn finish_removing(reports: &Reports) -> Result<()> {
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    };
    let is_going = |name: &str| {
        let parts = name.split_once('.');
        parts.is_some_and(|(run, ending)| ending == REMOVED && run.parse::<RunId>().is_ok())
    };
    folders(reports.root())
        .flat_map(|scenario| folders(&scenario.path()))
        .filter(|entry| entry.file_name().to_str().is_some_and(is_going))
        .try_for_each(|entry| remove_folder(&entry.path()))
}

fn remove_folder(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("can't remove {}", folder.display()))
}

/// The folder that has the run's name: what a file says of itself may lead elsewhere, and so may a link.
fn folder_of(reports: &Reports, run: &Run) -> Option<PathBuf> {
    let folder = lab_report::run_folder(reports, run).ok()?;
    let is_own = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    (is_own(folder.parent()?) && is_own(&folder)).then_some(folder)
}

/// Pages of this run and one other.
fn comparisons(reports: &Reports, run: &RunId) -> Result<Vec<PathBuf>> {
    let folder = reports.root().join("compare");
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("can't read {}", folder.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let pair = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".html")?.split_once("--"));
        if pair.is_some_and(|(a, b)| a == run.as_str() || b == run.as_str()) {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use lab_record::Outcome;

    use super::*;
    use lab_report::sample;

    fn run(scenario: &str, second: u8, outcome: Outcome) -> Run {
        let mut run = sample::failing();
        run.scenario.name = scenario.to_owned();
        run.starter = false;
        run.run_id = format!("20261125T1200{second:02}Z-0001").parse().unwrap();
        run.verdict.outcome = outcome;
        run
    }

    fn seconds(runs: &[&Run]) -> Vec<String> {
        let second = |run: &&Run| run.run_id.as_str()[13..15].to_owned();
        runs.iter().map(second).collect()
    }

    #[test]
    fn the_newest_of_each_scenario_and_what_they_are_compared_with_stay() {
        let mut runs = [
            run("tx", 1, Outcome::Invalid),
            run("tx", 2, Outcome::Fail),
            run("timeouts", 3, Outcome::Fail),
            run("tx", 4, Outcome::Fail),
            run("tx", 5, Outcome::Pass),
            run("tx", 6, Outcome::Pass),
        ];
        runs[1].starter = true;
        assert_eq!(seconds(&old(&runs, 2)), ["01"]);
        assert_eq!(seconds(&old(&runs, 1)), ["01", "04"]);
        assert!(old(&runs, 6).is_empty());
    }

    #[test]
    fn nothing_but_old_runs_and_their_comparisons_goes() {
        let root = tempfile::tempdir().unwrap();
        let reports = Reports::at(root.path().join("reports"));
        let path = |name: &str| reports.root().join(name);
        let put = |name: &str| lab_record::file::replace(&path(name), b"{}").unwrap();
        let mut runs: Vec<Run> = (1..=5)
            .map(|second| run("tx", second, Outcome::Fail))
            .collect();
        runs[0].starter = true;
        for run in &runs {
            lab_report::write_data(&reports, run).unwrap();
            lab_report::write_comparisons(&reports, run, &Others::among(&runs, run)).unwrap();
        }
        // A run of a later version, one without data, somebody's notes, and a run that is kept elsewhere.
        put("tx/20261125T120000Z-0002/data.json");
        put("tx/20261125T120000Z-0003/events.jsonl");
        put("tx/notes/data.json");
        put("compare/notes.html");
        // What an earlier time was ended over, and what only looks like it.
        put("tx/20261125T120000Z-0004.removed/report.html");
        put("tx/mine.removed/report.html");
        let elsewhere = root.path().join("elsewhere");
        fs::rename(path("tx/20261125T120003Z-0001"), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path("tx/20261125T120003Z-0001")).unwrap();

        finish_removing(&reports).unwrap();
        for run in old(&runs, 1) {
            remove(&reports, run).unwrap();
        }
        link_again(&reports, 1).unwrap();
        let left = |folder: &str| {
            let entries = fs::read_dir(path(folder)).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(
            left("tx"),
            "20261125T120000Z-0002 20261125T120000Z-0003 20261125T120001Z-0001 20261125T120003Z-0001 \
             20261125T120004Z-0001 20261125T120005Z-0001 mine.removed notes"
        );
        assert!(elsewhere.join("data.json").is_file());
        assert_eq!(
            left("compare"),
            "20261125T120001Z-0001--20261125T120003Z-0001.html \
             20261125T120001Z-0001--20261125T120004Z-0001.html \
             20261125T120001Z-0001--20261125T120005Z-0001.html \
             20261125T120003Z-0001--20261125T120004Z-0001.html \
             20261125T120004Z-0001--20261125T120005Z-0001.html notes.html"
        );
    }
}
