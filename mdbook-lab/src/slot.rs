//! Places of a page for what there is now, of runs and of the reader's files: filled when a page is built or served, and
//! told anew to open pages when something changes.

use std::path::PathBuf;

/// One such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The question before the first run of a scenario and, once there is one, its answer.
    Guess(String),
    /// What a scenario's starter measures, beside the reader's own run of it.
    Measured(String),
    /// The reader's own file, relative to the project.
    Edit(PathBuf),
    /// What the reader's latest run of a scenario says, at the end of its prompt.
    Failing(String),
    /// Each step before and after.
    Summary,
    /// Each step with its latest run, its best and what stands at its edit points.
    Standing,
}

impl Slot {
    /// Its name, by which open pages find it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Guess(scenario) => format!("guess {scenario}"),
            Self::Measured(scenario) => format!("measured {scenario}"),
            Self::Edit(path) => format!("edit {}", path.display()),
            Self::Failing(scenario) => format!("failing {scenario}"),
            Self::Summary => "summary".to_owned(),
            Self::Standing => "standing".to_owned(),
        }
    }

    /// The element that holds it, with `html` inside.
    pub(crate) fn element(&self, html: &str) -> String {
        // In an attribute; what is in it is no more than a name or a path.
        let name = self.name().replace('"', "&quot;");
        let kind = name.split(' ').next().unwrap_or_default();
        // Within a text, or by itself.
        let tag = if matches!(self, Self::Failing(_)) {
            "span"
        } else {
            "div"
        };
        format!("<{tag} class=\"lab-{kind}\" data-lab-slot=\"{name}\">{html}</{tag}>")
    }
}
