//! The texts of participants that were taken away, to look at and to put back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{Placed, Variant, put, shelf::TIME, source_path};
use crate::scenario::Scenario;

/// A text that was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// When, UTC.
    pub at: Timestamp,
    /// The scenario whose edit point it stood at.
    pub scenario: String,
    /// The edit point, relative to the project.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
}

/// All that is saved of the edit points of `scenarios`, the newest first.
pub fn saved(root: &Path, scenarios: &[Scenario]) -> Result<Vec<Saved>> {
    let mut all = Vec::new();
    for scenario in scenarios {
        for file in &scenario.edit {
            let found = |(at, path)| Saved {
                at,
                scenario: scenario.name.clone(),
                file: file.clone(),
                path,
            };
            all.extend(texts(root, file)?.into_iter().map(found));
        }
    }
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.path.cmp(&b.path)));
    Ok(all)
}

/// Puts a saved text at its edit point, after saving what stands there. The saved one stays where it is.
pub fn put_back(root: &Path, saved: &Saved) -> Result<Placed> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("can't read {}", path.display()));
    let own = |variant| read(&source_path(root, &saved.file, Some(variant)));
    let (starter, solved) = (own(Variant::Starter)?, own(Variant::Solved)?);
    put(root, &saved.file, &read(&saved.path)?, &[&starter, &solved])
}

/// What was taken from an edit point, and when. It lies in the project's folder, or beside the edit point where that
/// is on another file system.
fn texts(root: &Path, file: &str) -> Result<Vec<(Timestamp, PathBuf)>> {
    let beside = root.join(file).with_file_name(".lab").join("saved");
    let mut found = Vec::new();
    for base in [root.join(".lab/saved"), beside] {
        for folder in entries(&base)? {
            let Some(at) = folder.file_name().and_then(|name| time(name.to_str()?)) else {
                continue;
            };
            let place = folder.join(file);
            let texts = entries(place.parent().unwrap_or(&folder))?.into_iter();
            let ours = texts.filter(|path| path.is_file() && is_of(path, &place));
            found.extend(ours.map(|path| (at, path)));
        }
    }
    Ok(found)
}

/// Whether it has that name, or that name and a number: see `Shelf::free`.
fn is_of(path: &Path, place: &Path) -> bool {
    let number = path
        .to_str()
        .zip(place.to_str())
        .and_then(|(path, place)| path.strip_prefix(place));
    number.is_some_and(|end| {
        end.is_empty()
            || end
                .strip_prefix('.')
                .is_some_and(|end| end.parse::<u32>().is_ok())
    })
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let unreadable = || format!("can't read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(unreadable)?;
    let paths = entries.map(|entry| Ok(entry.with_context(unreadable)?.path()));
    paths.collect()
}

/// The time that a folder is named by; its number among those of one moment aside.
fn time(name: &str) -> Option<Timestamp> {
    let (time, _) = name.split_once('-').unwrap_or((name, ""));
    let time = DateTime::strptime(TIME, time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
