//! A step of the workshop, as the guide has it.

use std::path::{Path, PathBuf};

use lab_record::{Part, System};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;

/// A step of the workshop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Its scenario, which is also the folder of its runs.
    pub(crate) scenario: String,
    /// Its chapter's title.
    pub(crate) title: String,
    /// Its chapter, relative to the book's sources.
    pub(crate) chapter: PathBuf,
    /// The files that a participant edits, relative to the project.
    #[serde(default)]
    pub(crate) edit: Vec<PathBuf>,
    /// When it is done.
    #[serde(default)]
    pub(crate) part: Part,
    /// What goes wrong, as part of a sentence.
    #[serde(default)]
    pub(crate) wrong: String,
    /// What is learned, as part of a sentence.
    #[serde(default)]
    pub(crate) bound: String,
    /// What a picture of its system is made of; only a scenario file tells it, and the variants.
    #[serde(skip)]
    pub(crate) system: Option<System>,
    /// Names of the variants that must fail.
    #[serde(skip)]
    pub(crate) cheats: Vec<String>,
    /// Names of the variants that must pass.
    #[serde(skip)]
    pub(crate) fixes: Vec<String>,
}

/// What means something else in a URL than in a path (the path percent-encode set of the URL standard, and `%`).
const UNLIKE_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

impl Step {
    /// The chapter's page as a link from the book's root has it.
    pub(crate) fn page(&self) -> String {
        let page = page(&self.chapter);
        utf8_percent_encode(&page.to_string_lossy(), UNLIKE_PATHS).to_string()
    }
}

/// The page that mdBook makes of a chapter: that of a README is its folder's index.
pub(crate) fn page(chapter: &Path) -> PathBuf {
    let name = chapter.file_stem().unwrap_or_default();
    if name.eq_ignore_ascii_case("readme") {
        chapter.with_file_name("index.html")
    } else {
        chapter.with_extension("html")
    }
}
