//! Places of a page for what there is now, of runs and of the reader's files: filled when a page is built or served, and
//! told anew to open pages when something changes.

/// One such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The question before the first run of a scenario and, once there is one, its answer.
    Guess(String),
}

impl Slot {
    /// Its name, by which open pages find it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Guess(scenario) => format!("guess {scenario}"),
        }
    }

    /// The element that holds it, with `html` inside.
    pub(crate) fn element(&self, html: &str) -> String {
        let name = self.name();
        let kind = name.split(' ').next().unwrap_or_default();
        format!("<div class=\"lab-{kind}\" data-lab-slot=\"{name}\">{html}</div>")
    }
}
