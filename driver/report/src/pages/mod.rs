//! Pages for people: a run, two runs beside each other, and the index of all. Each is one HTML file
//! that needs nothing else: no font, no request, and no script but that which moves a stage.

mod bench;
mod chart;
mod checks;
mod classes;
mod compare;
mod diff;
mod facts;
mod groups;
mod guess;
mod headline;
mod home;
mod index;
mod page;
mod run;
mod spread;
mod stage;
#[cfg(test)]
mod tests;

pub use bench::{Bench, Row};
pub use home::{Home, StepPage};

use std::{io, path::PathBuf};

use lab_record::{Entry, Others, Reports, Run, RunId, Validity, file};

use crate::{
    compare::Comparison,
    words::{failures, number},
};

/// Why a page can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file or its folder refuses.
    #[error(
        "can't write {path}: {why}; check that its folder may be written to and that the disk has room"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The scenario's name would lead out of the reports.
    #[error(
        "run {run_id} is of scenario `{scenario}`, which can't be a folder's name; use letters, digits, `-` and `_`"
    )]
    ScenarioName {
        /// The run.
        run_id: String,
        /// The name.
        scenario: String,
    },
}

/// Writes `<scenario>/<run-id>/data.json`, from which every page can be made again.
pub fn write_data(reports: &Reports, run: &Run) -> Result<PathBuf, WriteError> {
    let path = run_folder(reports, run)?.join("data.json");
    match serde_json::to_vec(run) {
        Ok(json) => write(path, &json),
        Err(error) => Err(WriteError::Io {
            path,
            why: error.into(),
        }),
    }
}

/// Writes `<scenario>/<run-id>/report.html`, with links to its comparisons with `others`, and says where it is.
pub fn write_run(reports: &Reports, run: &Run, others: &Others<'_>) -> Result<PathBuf, WriteError> {
    let path = run_folder(reports, run)?.join("report.html");
    write(path, run::page(run, others).into_string().as_bytes())
}

/// Writes `index.html`, made of every run found in the folder, with the ways `home` to the guide.
pub fn write_index(reports: &Reports, home: &Home) -> Result<PathBuf, WriteError> {
    let path = reports.root().join("index.html");
    write(path, index::page(reports, home).into_string().as_bytes())
}

/// Writes `compare/<a>--<b>.html`, which compares run `b` with run `a`.
pub fn write_comparison(reports: &Reports, a: &Run, b: &Run) -> Result<PathBuf, WriteError> {
    let runs = runs(reports);
    write_compared(reports, a, b, &Others::among(&runs, b))
}

/// The same, where it is known with which others `b` is compared.
fn write_compared(
    reports: &Reports,
    a: &Run,
    b: &Run,
    others: &Others<'_>,
) -> Result<PathBuf, WriteError> {
    // Both names stand in links.
    run_folder(reports, a)?;
    run_folder(reports, b)?;
    let path = reports.root().join(comparison_file(a, b));
    let comparison = Comparison::of(a, b).beside(b, others.began);
    let page = compare::page(&comparison, a, b, others);
    write(path, page.into_string().as_bytes())
}

/// Where a run's comparisons are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// The one with where everybody began.
    pub began: Option<PathBuf>,
    /// The one with the run before.
    pub previous: Option<PathBuf>,
    /// Where there is none because the scenario was changed: since this run.
    pub changed_since: Option<RunId>,
}

/// Compares `run` with `others`, a page each.
pub fn write_comparisons(
    reports: &Reports,
    run: &Run,
    others: &Others<'_>,
) -> Result<Compared, WriteError> {
    let page = |other: Option<&Run>| {
        other
            .map(|other| write_compared(reports, other, run, others))
            .transpose()
    };
    Ok(Compared {
        began: page(others.began)?,
        previous: page(others.previous)?,
        changed_since: others.changed_since.map(|run| run.run_id.clone()),
    })
}

/// Every run that can be read, oldest first.
pub fn runs(reports: &Reports) -> Vec<Run> {
    let entries = reports.entries().into_iter();
    entries
        .filter_map(|entry| match entry {
            Entry::Run(run) => Some(*run),
            Entry::Unreadable { .. } => None,
        })
        .collect()
}

/// What a group of runs came to, in one line; `valid` are those of `all` that are measurements.
pub fn group_line(all: &[Run], valid: &[Run]) -> String {
    groups::line(all, valid)
}

/// Writes the page that compares two groups of runs of one scenario; none where one is empty.
pub fn write_groups(
    reports: &Reports,
    a: &[Run],
    b: &[Run],
) -> Result<Option<PathBuf>, WriteError> {
    let classes = crate::compare::groups::compare(a, b);
    let (Some(page), Some(first), Some(last)) = (groups::page(a, b, &classes), a.first(), b.last())
    else {
        return Ok(None);
    };
    for run in a.iter().chain(b) {
        // The names stand in links.
        run_folder(reports, run)?;
    }
    let file = format!("compare/groups-{}--{}.html", first.run_id, last.run_id);
    write(reports.root().join(file), page.into_string().as_bytes()).map(Some)
}

/// What a comparison with where everybody began is called.
pub const WITH_BEGAN: &str = "with where you began";
/// What one with the run before is called.
pub const WITH_PREVIOUS: &str = "with the run before";

/// The comparisons of `run` with `others`, each with its name and its place relative to the reports.
fn comparisons(run: &Run, others: &Others<'_>) -> impl Iterator<Item = (&'static str, String)> {
    let file = |other: &Run| comparison_file(other, run);
    let began = others.began.map(|other| (WITH_BEGAN, file(other)));
    let previous = others.previous.map(|other| (WITH_PREVIOUS, file(other)));
    began.into_iter().chain(previous)
}

/// Where the comparison of two runs is, relative to the reports.
fn comparison_file(a: &Run, b: &Run) -> String {
    format!("compare/{}--{}.html", a.run_id, b.run_id)
}

/// Where the files of a run are, if its scenario has a name that can be a folder's.
pub fn run_folder(reports: &Reports, run: &Run) -> Result<PathBuf, WriteError> {
    if is_folder_name(&run.scenario.name) {
        Ok(reports.run_folder(&run.scenario.name, &run.run_id))
    } else {
        Err(WriteError::ScenarioName {
            run_id: run.run_id.to_string(),
            scenario: run.scenario.name.clone(),
        })
    }
}

/// True for a name that is one plain folder, on disk and in a link.
fn is_folder_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty() && name.bytes().all(plain)
}

/// Writes a file of a run, whole or not at all.
pub fn write(path: PathBuf, bytes: &[u8]) -> Result<PathBuf, WriteError> {
    match file::replace(&path, bytes) {
        Ok(()) => Ok(path),
        Err(why) => Err(WriteError::Io { path, why }),
    }
}

/// The class of a validity in the style sheet.
fn validity_class(validity: Validity) -> &'static str {
    match validity {
        Validity::Valid => "pass",
        Validity::Suspect => "suspect",
        Validity::Invalid => "fail",
    }
}
