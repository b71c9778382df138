//! The guide as a static site, with a sample of this machine's reports: what somebody sees before installing anything.
//! All its links are relative, so it works wherever it is put.

mod links;
mod sample;
mod traces;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use lab_record::Reports;
use tempfile::TempDir;

use crate::{Flaws, Guide, GuideError, flaw::Flaw, status::Ways, step::starter};

use sample::Sample;

/// The file by which a folder is known as a site of ours, which a new one may replace.
const MARK: &str = "lab-site.txt";

/// Where the sample's reports are in it.
const REPORTS: &str = "reports";

/// Why there is no site.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The folder has something else in it.
    #[error(
        "{0} is there and is no site that `make site` wrote, so it stays; name another folder with OUT=, or remove it"
    )]
    Taken(PathBuf),
    /// A file or folder refuses.
    #[error(
        "can't write the site {path}: {why}; check that its folder may be written to and that the disk has room"
    )]
    Io {
        /// The site's folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The guide can't be built.
    #[error(transparent)]
    Guide(#[from] GuideError),
    /// A page of the sample can't be written.
    #[error(transparent)]
    Report(#[from] lab_report::WriteError),
    /// Links that lead nowhere, or words of this machine. There is no new site.
    #[error("the site is not written:\n{0}")]
    Flaws(Flaws),
}

/// Writes the site of a guide into `out`, whole or not at all, and says what its sample lacks. A site that is there is
/// replaced; anything else in that place is left alone.
pub fn write(guide: &Guide, out: &Path) -> Result<Vec<String>, SiteError> {
    let failed = |why| SiteError::Io {
        path: out.to_owned(),
        why,
    };
    if !may_be_replaced(out) {
        return Err(SiteError::Taken(out.to_owned()));
    }
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(failed)?;
    let made = tempfile::Builder::new()
        .prefix(".site-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let new = made.path().join("site");
    let sample = Sample::of(&Reports::at(guide.reports()), guide.options());
    guide.build_movable(&new)?;
    sample.write(&new.join(REPORTS))?;
    fill(guide, &sample, &new).map_err(failed)?;
    fs::write(
        new.join(MARK),
        "Written by `make site`, which may replace this folder.\n",
    )
    .map_err(failed)?;
    let mut flaws = links::dead(&new).map_err(failed)?;
    flaws.extend(traces::found(&new, guide.root()).map_err(failed)?);
    flaws.sort();
    if !flaws.is_empty() {
        return Err(SiteError::Flaws(Flaws(flaws)));
    }
    put(&made, &new, out).map_err(failed)?;
    Ok(sample.missing())
}

/// Whether nothing is lost where a site is written there.
fn may_be_replaced(out: &Path) -> bool {
    let Ok(there) = fs::symlink_metadata(out) else {
        return true;
    };
    let is_empty = || fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    there.is_dir() && (out.join(MARK).is_file() || is_empty())
}

/// Gives the new site its name. The old one goes with the temporary folder.
fn put(made: &TempDir, new: &Path, out: &Path) -> io::Result<()> {
    if out.exists() {
        fs::rename(out, made.path().join("old"))?;
    }
    fs::rename(new, out)
}

/// What pages quote of a participant's own, as everybody begins with it: whoever publishes a site has edited, perhaps.
fn beginning(guide: &Guide) -> io::Result<TempDir> {
    let project = tempfile::tempdir()?;
    for edit in guide.edits() {
        let begun = starter(edit);
        // A book of one's own need not have one; it quotes none then.
        if !guide.root().join(&begun).is_file() {
            continue;
        }
        for (from, to) in [(&*begun, edit), (&*begun, &*begun)] {
            let to = project.path().join(to);
            fs::create_dir_all(to.parent().unwrap_or(project.path()))?;
            fs::copy(guide.root().join(from), to)?;
        }
    }
    Ok(project)
}

/// Fills the pages of the guide: nobody has run or edited anything yet, and each step has its sample.
fn fill(guide: &Guide, sample: &Sample<'_>, site: &Path) -> io::Result<()> {
    let none = Reports::at(site.join("none"));
    let project = beginning(guide)?;
    for page in pages(site)? {
        let inside = page.strip_prefix(site).unwrap_or(&page);
        if inside.starts_with(REPORTS) {
            continue;
        }
        let up = "../".repeat(inside.components().count() - 1);
        let ways = Ways {
            reports: Some(format!("{up}{REPORTS}/")),
            folder: PathBuf::from(REPORTS),
            pages: up,
        };
        let text = fs::read_to_string(&page)?;
        let status = |scenario: &str| sample.status(scenario, &ways).into_string();
        let filled = guide.fill_from(&text, (project.path(), &none), &ways, status);
        // Wherever it is put, nobody answers its buttons.
        let filled = filled.replacen("<html ", "<html data-lab-site ", 1);
        if filled != text {
            fs::write(&page, filled)?;
        }
    }
    Ok(())
}

/// Every page below a folder.
fn pages(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = files(folder)?;
    files.retain(|file| file.extension().is_some_and(|end| end == "html"));
    Ok(files)
}

/// Every file below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A flaw of a file of the site, named as it is there.
fn flaw(site: &Path, file: &Path, line: Option<u64>, text: String) -> Flaw {
    let file = file.strip_prefix(site).unwrap_or(file);
    match line {
        Some(line) => Flaw::at(file, line as usize, text),
        None => Flaw::of(file, text),
    }
}
