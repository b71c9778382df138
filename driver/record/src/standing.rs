//! Where a step stands: what its runs came to, and what is at its edit points.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{Part, Reports, RunId, State, saved};

/// What stands at an edit point, by its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    /// As the workshop begins.
    Starter,
    /// The reference, byte for byte.
    Reference,
    /// Any other: the participant's.
    Yours,
    /// No file that can be read.
    Missing,
}

impl Text {
    /// That of the edit point `file`, relative to the project at `root`.
    pub fn of(root: &Path, file: &Path) -> Self {
        let read = |path: &Path| fs::read(root.join(path)).ok();
        let Some(text) = read(file) else {
            return Self::Missing;
        };
        if Some(&text) == read(&beside(file, "starter")).as_ref() {
            Self::Starter
        } else if Some(&text) == read(&beside(file, "solved")).as_ref() {
            Self::Reference
        } else {
            Self::Yours
        }
    }

    /// For people: `the starter`, `yours`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Starter => "the starter",
            Self::Reference => "the reference",
            Self::Yours => "yours",
            Self::Missing => "missing",
        }
    }
}

/// The file of the same name in a folder beside an edit point: `starter` or `solved`.
pub fn beside(file: &Path, folder: &str) -> PathBuf {
    let name = file.file_name().unwrap_or_default();
    file.with_file_name(folder).join(name)
}

/// An edit point as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EditPoint {
    /// The file, relative to the project.
    pub file: PathBuf,
    /// What stands there.
    pub text: Text,
    /// How many texts were saved of it.
    pub saved: usize,
}

impl EditPoint {
    fn of(root: &Path, file: &Path) -> Self {
        // What can't be read is told by who lists it: `make restore`.
        let saved = file.to_str().and_then(|file| saved::texts(root, file).ok());
        Self {
            file: file.to_owned(),
            text: Text::of(root, file),
            saved: saved.map_or(0, |texts| texts.len()),
        }
    }
}

/// `yours; 2 saved`
impl std::fmt::Display for EditPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text.words())?;
        if self.saved > 0 {
            write!(f, "; {} saved", self.saved)?;
        }
        Ok(())
    }
}

/// A step, how far it is, and what stands at its edit points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its title.
    pub title: String,
    /// When it is done.
    pub part: Part,
    /// How far it is, by its runs.
    pub state: State,
    /// The newest run of it that tells something.
    pub latest: Option<RunId>,
    /// What a participant edits.
    pub edits: Vec<EditPoint>,
}

impl Standing {
    /// That of a step of the project at `root`, whose edit points are `edits`, relative to that.
    pub fn of(
        root: &Path,
        reports: &Reports,
        scenario: &str,
        (title, part): (&str, Part),
        edits: impl IntoIterator<Item = impl AsRef<Path>>,
    ) -> Self {
        let edits = edits.into_iter();
        let (state, latest) = State::of(reports, scenario);
        Self {
            title: title.to_owned(),
            part,
            state,
            latest,
            edits: edits
                .map(|file| EditPoint::of(root, file.as_ref()))
                .collect(),
        }
    }

    /// What stands at all of its edit points; the participant's where they differ, and none where there is none.
    pub fn text(&self) -> Option<Text> {
        let mut texts = self.edits.iter().map(|edit| edit.text);
        let first = texts.next()?;
        let all: Vec<Text> = texts.chain([first]).collect();
        Some(if all.contains(&Text::Missing) {
            Text::Missing
        } else if all.iter().all(|text| *text == first) {
            first
        } else {
            Text::Yours
        })
    }

    /// How many texts were saved of it.
    pub fn saved(&self) -> usize {
        self.edits.iter().map(|edit| edit.saved).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_its_bytes() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            crate::file::replace(&root.path().join(file), text.as_bytes()).unwrap();
        };
        let now = || {
            let files = ["a.rs", "b.rs"];
            let reports = Reports::at(root.path().join("reports"));
            Standing::of(root.path(), &reports, "x", ("X", Part::Hour), files).text()
        };
        for file in ["a.rs", "b.rs"] {
            put(file, "starter");
            put(&format!("starter/{file}"), "starter");
            put(&format!("solved/{file}"), "solved");
        }
        assert_eq!(now(), Some(Text::Starter));
        put("a.rs", "solved");
        assert_eq!(now(), Some(Text::Yours));
        put("b.rs", "solved");
        assert_eq!(now(), Some(Text::Reference));
        put("b.rs", "solved\n");
        assert_eq!(now(), Some(Text::Yours));
        fs::remove_file(root.path().join("b.rs")).unwrap();
        assert_eq!(now(), Some(Text::Missing));

        put(".lab/saved/20261129T011646.000Z/a.rs", "mine");
        put(".lab/saved/20261129T011646.000Z-2/a.rs", "mine");
        put(".lab/saved/replaced/a.rs", "starter");
        let edit = EditPoint::of(root.path(), Path::new("a.rs"));
        assert_eq!(edit.to_string(), "the reference; 2 saved");
    }
}
