//! Puts the reference or the starter in the place of a participant's file, and never loses what stood there, nor
//! what an editor saves meanwhile: what stands there is renamed to `.lab/saved/`, and nothing is written over.

mod saved;
mod shelf;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use lab_record::{beside, file};

use crate::scenario::Scenario;
pub use saved::{Saved, put_back, saved};
use shelf::Shelf;

/// Which text to put in place. Each edit point has a `starter/` and a `solved/` folder beside it
/// with a file of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As the workshop begins.
    Starter,
    /// The reference.
    Solved,
}

/// What happened to one file.
#[derive(Debug)]
pub struct Placed {
    /// The edit point, relative to the project.
    pub file: String,
    /// Where the participant's texts are now: none where there was but one of the project's own, more than one where
    /// an editor saved meanwhile.
    pub saved: Vec<PathBuf>,
    /// What became of the edit point.
    pub state: State,
}

/// What stands at an edit point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The wanted text, and it was there before.
    Unchanged,
    /// The wanted text.
    Changed,
    /// What an editor has saved since.
    Overtaken,
}

/// How often an editor may save in the time of one change, before we give way.
const ATTEMPTS: u32 = 20;

/// Places a variant of every edit point of the scenario. One that can't be placed keeps none of the others back.
pub fn place(root: &Path, scenario: &Scenario, variant: Variant) -> Vec<Result<Placed>> {
    let mut shelf = Shelf::of(root);
    let files = scenario.edit.iter();
    files
        .map(|file| place_file(&mut shelf, root, file, variant))
        .collect()
}

/// Where the text of an edit point is, for a code by that name (`mine`, `starter`, `solved`).
pub fn source_path(root: &Path, file: &str, variant: Option<Variant>) -> PathBuf {
    let path = root.join(file);
    match variant {
        None => path,
        Some(Variant::Starter) => beside(&path, "starter"),
        Some(Variant::Solved) => beside(&path, "solved"),
    }
}

fn place_file(shelf: &mut Shelf, root: &Path, file: &str, variant: Variant) -> Result<Placed> {
    let read = |variant| {
        let path = source_path(root, file, Some(variant));
        fs::read(&path).with_context(|| format!("can't read {}", path.display()))
    };
    let (starter, solved) = (read(Variant::Starter)?, read(Variant::Solved)?);
    let wanted = match variant {
        Variant::Starter => &starter,
        Variant::Solved => &solved,
    };
    put_with(shelf, root, file, wanted, &[&starter, &solved])
}

/// Puts `wanted` at the edit point `file`. Texts that are among `known` need no saving.
pub(crate) fn put(root: &Path, file: &str, wanted: &[u8], known: &[&[u8]]) -> Result<Placed> {
    put_with(&mut Shelf::of(root), root, file, wanted, known)
}

fn put_with(
    shelf: &mut Shelf,
    root: &Path,
    file: &str,
    wanted: &[u8],
    known: &[&[u8]],
) -> Result<Placed> {
    let target = root.join(file);
    let mut placed = Placed {
        file: file.to_owned(),
        saved: Vec::new(),
        state: State::Unchanged,
    };
    if stands(&target)?.as_deref() == Some(wanted) {
        return Ok(placed);
    }
    let replaced = swap(shelf, &target, file, wanted)?;
    for path in replaced {
        placed.saved.extend(shelf.sort(file, &path, known)?);
    }
    placed.state = match stands(&target) {
        Ok(Some(text)) if text == wanted => State::Changed,
        _ => State::Overtaken,
    };
    Ok(placed)
}

/// The text of an edit point; none where it is missing. What is no plain file is not ours to move.
fn stands(target: &Path) -> Result<Option<Vec<u8>>> {
    let kind = match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata
            .with_context(|| format!("can't look at {}", target.display()))?
            .file_type(),
    };
    if kind.is_symlink() {
        let leads_to = fs::read_link(target).unwrap_or_default();
        bail!(
            "{} is a link to {}: neither is replaced. Put a copy in its place (`cp {0} copy && mv copy {0}`) and try again",
            target.display(),
            leads_to.display()
        );
    }
    if !kind.is_file() {
        bail!(
            "{} is no file; move it away and try again",
            target.display()
        );
    }
    match fs::read(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text
            .map(Some)
            .with_context(|| format!("can't read {}", target.display())),
    }
}

/// Renames what stands at `target` and gives its place to `wanted`; where an editor has filled the place
/// meanwhile, that is renamed as well. Says where all of it is now.
fn swap(shelf: &mut Shelf, target: &Path, file: &str, wanted: &[u8]) -> Result<Vec<PathBuf>> {
    let mut new = file::beside(target, wanted, 0o666)
        .with_context(|| format!("can't write beside {}", target.display()))?;
    let mut replaced = Vec::new();
    for _ in 0..ATTEMPTS {
        replaced.extend(shelf.take(target, file)?);
        match new.persist_noclobber(target) {
            Ok(_) => {
                file::sync_folder(target.parent().unwrap_or(target));
                return Ok(replaced);
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => new = error.file,
            Err(error) => {
                return Err(error.error).with_context(|| {
                    format!(
                        "can't put a file at {}{}",
                        target.display(),
                        whereabouts(&replaced)
                    )
                });
            }
        }
    }
    bail!(
        "{} is saved again and again; close it in your editor and try again{}",
        target.display(),
        whereabouts(&replaced)
    )
}

/// Where the texts are that have been taken away, as the end of a sentence.
fn whereabouts(replaced: &[PathBuf]) -> String {
    let places: Vec<String> = replaced
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if places.is_empty() {
        String::new()
    } else {
        format!("; what stood there is in {}", places.join(", "))
    }
}

#[cfg(test)]
mod tests;
