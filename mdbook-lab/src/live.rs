//! Fills the [slots](Slot) of pages.

use lab_record::Reports;

use crate::{guess, options::Options, slot::Slot};

/// What they are filled from.
pub(crate) struct Sources<'a> {
    pub(crate) options: &'a Options,
    pub(crate) reports: &'a Reports,
}

impl Sources<'_> {
    /// All slots that pages can have.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let steps = self.options.steps.iter();
        let asking = steps.filter(|step| step.guess.is_some());
        asking.map(|step| Slot::Guess(step.scenario.clone()))
    }

    /// What goes into a slot; the error says what the project lacks for it.
    pub(crate) fn html(&self, slot: &Slot) -> Result<String, String> {
        match slot {
            Slot::Guess(scenario) => {
                let (number, step) = self.options.known_step(scenario)?;
                Ok(guess::html(number, step, self.reports)?.into_string())
            }
        }
    }

    /// The same as Markdown, for other renderers than HTML.
    pub(crate) fn text(&self, slot: &Slot) -> Result<String, String> {
        match slot {
            Slot::Guess(scenario) => {
                let (number, step) = self.options.known_step(scenario)?;
                guess::text(number, step)
            }
        }
    }
}
