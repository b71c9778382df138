//! What a scenario says of itself as a step of the workshop.

use std::path::PathBuf;

use serde::Deserialize;

/// The table `[lesson]` of a scenario file. The driver refuses mistakes in it, and the guide is made by it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// What the step is called, and its chapter.
    pub title: String,
    /// The chapter's file, relative to the book's sources.
    pub chapter: PathBuf,
    /// When it is done.
    pub part: Part,
    /// What goes wrong, as part of a sentence.
    pub wrong: String,
    /// What a participant learns to bound, as part of a sentence.
    pub bound: String,
    /// What its starter measures.
    #[serde(default)]
    pub measured: Vec<Measured>,
}

/// What runs of the starter measured where the lesson was written, of one check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The check, by id.
    pub check: String,
    /// For people: a figure, or the least and the most of several runs.
    pub starter: String,
}

/// When a step is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// In the hour of the workshop.
    #[default]
    Hour,
    /// After the event, by whoever wants to go on.
    Afterwards,
}
