//! The texts of participants that were taken away, to look at and to put back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use lab_record::saved::texts;

use super::{Placed, Variant, put, source_path};
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
