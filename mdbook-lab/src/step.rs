//! A step of the workshop, as the guide has it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

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
    /// What is asked before its first run.
    #[serde(default)]
    pub(crate) guess: Option<Asked>,
    /// What its starter measures; only a scenario file tells it.
    #[serde(skip)]
    pub(crate) measured: Vec<Told>,
    /// What its checks ask for; only a scenario file tells it.
    #[serde(skip)]
    pub(crate) rules: Vec<Rule>,
    /// The check that is quoted first, by id; only a scenario file tells it.
    #[serde(skip)]
    pub(crate) headline: String,
    /// How long a run of it sends load; only a scenario file tells it.
    #[serde(skip)]
    pub(crate) load: Option<Duration>,
    /// What a picture of its system is made of; only a scenario file tells it.
    #[serde(skip)]
    pub(crate) system: Option<System>,
    /// Names of the variants that must fail; only a scenario file tells them.
    #[serde(skip)]
    pub(crate) cheats: Vec<String>,
    /// Names of the variants that must pass.
    #[serde(skip)]
    pub(crate) fixes: Vec<String>,
}

/// A check of a step, with what its starter measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The check, by id.
    pub(crate) check: String,
    /// Its statement.
    pub(crate) title: String,
    /// What it speaks of.
    pub(crate) kind: String,
    /// What was measured elsewhere, for people.
    pub(crate) starter: String,
    /// What it must be, for people.
    pub(crate) limit: String,
}

/// A check of a step, as its scenario states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The check, by id.
    pub(crate) check: String,
    /// Its statement.
    pub(crate) title: String,
    /// What it speaks of.
    pub(crate) kind: String,
    /// What it must be, for people.
    pub(crate) limit: String,
    /// From where on it earns all of its points, for people; empty where that is the limit.
    pub(crate) full: String,
    /// Its weight in the score, for people; empty for correctness, which earns nothing.
    pub(crate) weight: String,
}

/// A question that the first run answers. How, is the driver's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Asked {
    /// What is asked, a sentence.
    pub(crate) question: String,
    /// The unit of the answer.
    pub(crate) unit: String,
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
    /// The rule of the check that is quoted first.
    pub(crate) fn headline(&self) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.check == self.headline)
    }

    /// The chapter's page as a link from the book's root has it.
    pub(crate) fn page(&self) -> String {
        let page = page(&self.chapter);
        utf8_percent_encode(&page.to_string_lossy(), UNLIKE_PATHS).to_string()
    }
}

#[cfg(test)]
impl Step {
    /// One of which no more is known.
    pub(crate) fn for_tests(scenario: &str, chapter: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            title: String::new(),
            chapter: chapter.into(),
            edit: Vec::new(),
            part: Part::Hour,
            wrong: String::new(),
            bound: String::new(),
            guess: None,
            measured: Vec::new(),
            rules: Vec::new(),
            headline: String::new(),
            load: None,
            system: None,
            cheats: Vec::new(),
            fixes: Vec::new(),
        }
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

/// Where the text is that a participant's file starts as.
pub(crate) fn starter(edit: &Path) -> PathBuf {
    lab_record::beside(edit, "starter")
}
