//! What a scenario says of itself as a step of the workshop.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// The system that it is about, for a picture; none where the chapter has none.
    #[serde(default)]
    pub system: Option<System>,
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

/// A system as a picture of it is made: what there is, and who calls whom.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// What there is; of those that stand beside each other the first is at the left.
    pub nodes: Vec<Node>,
    /// Who calls, or acts on, whom. They lead down: nobody calls, by whatever way, who calls them.
    pub arrows: Vec<Arrow>,
}

/// A part of a system, and what is to be known of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Unique in the picture.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// What of it is bounded, as `16 admission slots`.
    pub resource: Option<String>,
    /// What goes wrong there.
    pub fault: Option<String>,
    /// The edit point that is there: the file's name.
    pub edit: Option<String>,
}

/// A way from one part to another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrow {
    /// The id of who calls.
    pub from: String,
    /// The id of who is called.
    pub to: String,
    /// What for, in a few words.
    pub label: Option<String>,
}

/// When a step is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// In the hour of the workshop.
    #[default]
    Hour,
    /// After the event, by whoever wants to go on.
    Afterwards,
}
