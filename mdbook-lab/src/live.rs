//! Fills the [slots](Slot) of pages.

use lab_record::Reports;
use maud::html;

use crate::{
    edit, guess, language, measured,
    options::{NO_STEPS, Options},
    project::Project,
    prompt,
    slot::Slot,
    standing,
    status::Ways,
    step::Step,
    story::Story,
    summary,
};

/// What they are filled from.
pub(crate) struct Sources<'a> {
    pub(crate) options: &'a Options,
    pub(crate) reports: &'a Reports,
    pub(crate) project: Project,
    pub(crate) ways: Ways,
}

impl Sources<'_> {
    /// All slots that pages can have.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let of_step = |step: &Step| {
            let guess = step
                .guess
                .iter()
                .map(|_| Slot::Guess(step.scenario.clone()));
            let measured = step
                .measured
                .first()
                .map(|_| Slot::Measured(step.scenario.clone()));
            let edits = step.edit.iter().cloned().map(Slot::Edit);
            let failing = [Slot::Failing(step.scenario.clone())];
            let slots = guess.chain(measured).chain(edits).chain(failing);
            slots.collect::<Vec<_>>()
        };
        let steps = self.options.steps.iter();
        let of_all = [Slot::Summary, Slot::Standing];
        steps.flat_map(of_step).chain(of_all)
    }

    /// What goes into a slot; the error says what the project lacks for it.
    pub(crate) fn html(&self, slot: &Slot) -> Result<String, String> {
        let html = match slot {
            Slot::Guess(scenario) => {
                let (number, step) = self.options.known_step(scenario)?;
                guess::html(number, step, self.reports)?
            }
            Slot::Measured(scenario) => {
                let step = self.measured(scenario)?;
                let own = Story::of(self.reports, scenario).began;
                measured::html(step, own.as_ref())
            }
            Slot::Failing(_) => {
                let text = self.text(slot)?;
                html! { (text) }
            }
            Slot::Edit(path) => edit::html(path, language::of(path), &self.project)?,
            Slot::Summary | Slot::Standing if self.options.steps.is_empty() => {
                return Err(NO_STEPS.to_owned());
            }
            Slot::Summary => summary::html(self.options, self.reports, &self.ways),
            Slot::Standing => {
                standing::html(self.options, self.project.root(), self.reports, &self.ways)
            }
        };
        // In one line: a blank one would end the HTML within Markdown.
        Ok(html.into_string().replace('\n', "&#10;"))
    }

    /// The same as Markdown, for other renderers than HTML.
    pub(crate) fn text(&self, slot: &Slot) -> Result<String, String> {
        match slot {
            Slot::Guess(scenario) => {
                let (number, step) = self.options.known_step(scenario)?;
                guess::text(number, step)
            }
            Slot::Measured(scenario) => Ok(measured::text(self.measured(scenario)?)),
            Slot::Edit(path) => self.project.source(path, None),
            Slot::Failing(scenario) => {
                let (number, step) = self.options.known_step(scenario)?;
                Ok(prompt::latest(number, step, self.reports))
            }
            Slot::Summary => Ok(summary::text(self.options, self.reports)),
            Slot::Standing => Ok(standing::text(
                self.options,
                self.project.root(),
                self.reports,
            )),
        }
    }

    fn measured(&self, scenario: &str) -> Result<&Step, String> {
        let (_, step) = self.options.known_step(scenario)?;
        if step.measured.is_empty() {
            return Err(format!(
                "the scenario `{scenario}` does not say what its starter measures: `measured` in its `[lesson]`"
            ));
        }
        Ok(step)
    }
}
