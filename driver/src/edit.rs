//! Puts the reference or the starter in the place of a participant's file, and never loses what
//! stood there: it is saved under `.lab/saved/` first.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::{Timestamp, tz::TimeZone};

use crate::{file, scenario::Scenario};

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
    /// Where the participant's text was saved; none where it was one of the project's own texts.
    pub saved: Option<PathBuf>,
    /// False where the wanted text was there already.
    pub changed: bool,
}

/// Places a variant of every edit point of the scenario.
pub fn place(root: &Path, scenario: &Scenario, variant: Variant) -> Result<Vec<Placed>> {
    let time = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%dT%H%M%S%.3fZ")
        .to_string();
    let files = scenario.edit.iter();
    files
        .map(|file| place_file(root, file, variant, &time))
        .collect()
}

/// Where the text of an edit point is, for a code by that name (`mine`, `starter`, `solved`).
pub fn source_path(root: &Path, file: &str, variant: Option<Variant>) -> PathBuf {
    let path = root.join(file);
    let folder = match variant {
        None => return path,
        Some(Variant::Starter) => "starter",
        Some(Variant::Solved) => "solved",
    };
    let name = path.file_name().unwrap_or_default().to_owned();
    path.with_file_name(folder).join(name)
}

fn place_file(root: &Path, file: &str, variant: Variant, time: &str) -> Result<Placed> {
    let read = |variant| {
        let path = source_path(root, file, variant);
        fs::read(&path).with_context(|| format!("can't read {}", path.display()))
    };
    let wanted = read(Some(variant))?;
    let target = root.join(file);
    let current = if target.exists() {
        Some(read(None)?)
    } else {
        None
    };
    if current.as_ref() == Some(&wanted) {
        return Ok(Placed {
            file: file.to_owned(),
            saved: None,
            changed: false,
        });
    }
    let ours = [read(Some(Variant::Starter))?, read(Some(Variant::Solved))?];
    let saved = match current {
        Some(text) if !ours.contains(&text) => {
            let copy = root.join(".lab/saved").join(time).join(file);
            write(&copy, &text)?;
            Some(copy)
        }
        _ => None,
    };
    write(&target, &wanted)?;
    Ok(Placed {
        file: file.to_owned(),
        saved,
        changed: true,
    })
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    file::replace(path, text).with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::built_in;

    fn project() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| write(&root.path().join(path), text.as_bytes()).unwrap();
        put("lab-services/src/cases/timeouts.rs", "starter");
        put("lab-services/src/cases/starter/timeouts.rs", "starter");
        put("lab-services/src/cases/solved/timeouts.rs", "solved");
        root
    }

    #[test]
    fn an_edit_is_saved_before_it_is_replaced() {
        let root = project();
        let file = root.path().join("lab-services/src/cases/timeouts.rs");
        fs::write(&file, "my precious").unwrap();
        let placed = place(root.path(), &built_in("timeouts").unwrap(), Variant::Solved).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "solved");
        let saved = placed[0].saved.as_ref().expect("saved");
        assert_eq!(fs::read_to_string(saved).unwrap(), "my precious");
    }

    #[test]
    fn texts_of_the_project_need_no_copy() {
        let root = project();
        let scenario = built_in("timeouts").unwrap();
        let solve = || {
            place(root.path(), &scenario, Variant::Solved)
                .unwrap()
                .remove(0)
        };
        let first = solve();
        assert!(first.changed && first.saved.is_none());
        assert!(!solve().changed);
    }
}
