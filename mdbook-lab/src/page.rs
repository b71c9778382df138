//! Writes a page with its marks replaced: HTML blocks around plain Markdown, so that mdBook draws
//! code as it always does, or Markdown alone for other renderers.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    rc::Rc,
};

use lab_record::{Reports, Standing};
use maud::{PreEscaped, html};

use crate::{
    action::Action,
    language,
    live::Sources,
    marks::{self, Ask, Mark, Slip},
    options::{NO_STEPS, Options},
    project::Project,
    prompt,
    slot::Slot,
    status::{self, Latest, Ways},
    system, table,
};

/// What the page is for.
pub(crate) enum Form {
    /// HTML; what runs say is written in.
    Baked(Ways),
    /// HTML for `mdbook-lab serve`, which fills in what runs say each time it serves a page.
    Served,
    /// Any other renderer.
    Plain {
        /// It compiles Rust, as `mdbook test` does: what we quote is a part of a program of somebody else.
        is_tested: bool,
    },
}

impl Form {
    fn language(&self, language: &'static str) -> &'static str {
        match self {
            Self::Plain { is_tested: true } if language == "rust" => "rust,ignore",
            _ => language,
        }
    }
}

/// All that a page can quote.
pub(crate) struct Writer<'a> {
    pub(crate) options: &'a Options,
    pub(crate) project: &'a Project,
    pub(crate) reports: &'a Reports,
    /// The latest runs that were read: pages ask for the same ones.
    pub(crate) latest: RefCell<BTreeMap<String, Option<Rc<Latest>>>>,
}

impl Writer<'_> {
    /// The page at `here` with its marks replaced, but for those that `is_plain` says are meant as text; what it lets a reader
    /// run goes into `actions`.
    pub(crate) fn write(
        &self,
        page: &str,
        here: &Path,
        form: &Form,
        is_plain: impl Fn(usize) -> bool,
        actions: &mut BTreeSet<Action>,
    ) -> Result<String, Vec<Slip>> {
        let (mut marks, mut slips) = marks::find(page);
        marks.retain(|mark| !is_plain(mark.range.start));
        slips.retain(|slip| !is_plain(slip.at));
        let mut written = String::with_capacity(page.len());
        let mut from = 0;
        for Mark { range, ask } in marks {
            match self.block(&ask, here, form) {
                Ok(block) => {
                    written.push_str(&page[from..range.start]);
                    written.push_str(block.trim_end());
                    written.push_str("\n\n");
                    from = range.end;
                }
                Err(text) => slips.push(Slip {
                    at: range.start,
                    text,
                }),
            }
            actions.extend(action(ask));
        }
        written.push_str(&page[from..]);
        if slips.is_empty() {
            Ok(written)
        } else {
            slips.sort_by_key(|slip| slip.at);
            Err(slips)
        }
    }

    fn block(&self, ask: &Ask, here: &Path, form: &Form) -> Result<String, String> {
        match ask {
            Ask::Status(scenario) => self.status(scenario, form),
            Ask::Progress | Ask::Next | Ask::Steps | Ask::Variants | Ask::Checks
                if self.options.steps.is_empty() =>
            {
                Err(NO_STEPS.to_owned())
            }
            Ask::Steps => Ok(table::of(table::STEPS, &self.options.steps, here)),
            Ask::Checks => Ok(table::checks(&self.options.steps)),
            Ask::Variants => Ok(table::of(table::VARIANTS, &self.options.steps, here)),
            Ask::Progress => Ok(match form {
                Form::Served => slot_of_progress(),
                Form::Baked(ways) => {
                    let standings = self.standings();
                    let html = status::progress(self.options, &standings, ways).into_string();
                    slot_of_progress().replacen("><", &format!(">{html}<"), 1)
                }
                Form::Plain { .. } => status::progress_text(&self.standings()),
            }),
            Ask::Slot(slot) => self.slot(slot, form),
            Ask::Next => Ok(match form {
                Form::Served => SLOT_OF_NEXT.to_owned(),
                Form::Baked(ways) => {
                    let standings = self.standings();
                    let html = status::next(self.options, &standings, ways).into_string();
                    SLOT_OF_NEXT.replacen("><", &format!(">{html}<"), 1)
                }
                Form::Plain { .. } => status::next_text(&self.standings()),
            }),
            Ask::System(scenario) => self.system(scenario, form),
            Ask::Source { path, anchor } => {
                let text = self.project.source(path, anchor.as_deref())?;
                let code = fenced(form.language(language::of(path)), &text);
                let shown = path.display();
                Ok(match form {
                    Form::Plain { .. } => format!("`{shown}`:\n\n{code}"),
                    _ => format!(
                        "<figure class=\"lab-source\">\n<figcaption>{}</figcaption>\n\n{code}\n</figure>",
                        html! { (shown) }.into_string()
                    ),
                })
            }
            Ask::Command(target) => {
                self.project.check_target(target)?;
                let code = fenced("sh", &format!("make {}\n", target.as_str()));
                let action = Action::Make(target.clone());
                Ok(framed("lab-command", Some(&action), &code, form))
            }
            Ask::Example(name) => {
                let code = fenced(form.language("rust"), &self.project.example(name)?);
                let action = Action::Example(name.clone());
                Ok(framed("lab-example", Some(&action), &code, form))
            }
            Ask::Prompt(text) => self.prompt(text, form),
        }
    }

    /// A prompt with what its scenario and the latest run say: that changes under an open page, within the text.
    fn prompt(&self, text: &str, form: &Form) -> Result<String, String> {
        let step = prompt::step_of(text, self.options).map(|(_, step)| step);
        let whole = prompt::whole(text, step);
        let Some(step) = step else {
            return Ok(framed("lab-prompt", None, &fenced("text", &whole), form));
        };
        let slot = Slot::Failing(step.scenario.clone());
        if matches!(form, Form::Plain { .. }) {
            let whole = format!("{whole}{}\n", self.sources(form).text(&slot)?);
            return Ok(framed("lab-prompt", None, &fenced("text", &whole), form));
        }
        let latest = self.slot(&slot, form)?;
        let code = html! { pre { code.language-text { (whole) (PreEscaped(latest)) } } };
        Ok(framed("lab-prompt", None, &code.into_string(), form))
    }

    fn slot(&self, slot: &Slot, form: &Form) -> Result<String, String> {
        let sources = self.sources(form);
        // Asked for in each form: what is wrong with it is told when the book is built.
        let html = sources.html(slot)?;
        match form {
            Form::Served => Ok(slot.element("")),
            Form::Baked(_) => Ok(slot.element(&html)),
            Form::Plain { .. } => {
                let text = sources.text(slot)?;
                Ok(match slot {
                    Slot::Edit(path) => fenced(form.language(language::of(path)), &text),
                    _ => text,
                })
            }
        }
    }

    fn sources(&self, form: &Form) -> Sources<'_> {
        Sources {
            options: self.options,
            reports: self.reports,
            project: Project::at(self.project.root()),
            ways: match form {
                Form::Baked(ways) => ways.clone(),
                _ => Ways::served(self.options),
            },
        }
    }

    fn standings(&self) -> Vec<Standing> {
        status::standings(self.options, self.project.root(), self.reports)
    }

    fn latest(&self, scenario: &str) -> Option<Rc<Latest>> {
        let mut read = self.latest.borrow_mut();
        read.entry(scenario.to_owned())
            .or_insert_with(|| Latest::of(self.reports, scenario).map(Rc::new))
            .clone()
    }

    /// The picture of a step's system.
    fn system(&self, scenario: &str, form: &Form) -> Result<String, String> {
        let (_, step) = self.options.known_step(scenario)?;
        let system = step.system.as_ref().ok_or_else(|| {
            format!(
                "the scenario `{scenario}` has no `[lesson.system]`, which the picture is made of"
            )
        })?;
        Ok(match form {
            Form::Plain { .. } => system::words(system),
            _ => system::picture(scenario, system).into_string(),
        })
    }

    fn status(&self, scenario: &str, form: &Form) -> Result<String, String> {
        let step = self.options.known_step(scenario)?;
        let latest = || self.latest(scenario);
        Ok(match form {
            Form::Served => slot_of_status(scenario),
            Form::Baked(ways) => {
                let html = status::status(step, latest().as_deref(), ways).into_string();
                slot_of_status(scenario).replacen("><", &format!(">{html}<"), 1)
            }
            Form::Plain { .. } => status::status_text(step, latest().as_deref(), self.options),
        })
    }
}

/// The element that holds a status, empty.
pub(crate) fn slot_of_status(scenario: &str) -> String {
    format!("<div class=\"lab-status\" data-lab-scenario=\"{scenario}\"></div>")
}

/// The element that holds the progress, empty.
pub(crate) fn slot_of_progress() -> String {
    "<div class=\"lab-progress\"></div>".to_owned()
}

/// The element that holds the next thing to do, empty.
pub(crate) const SLOT_OF_NEXT: &str = "<div class=\"lab-next-slot\"></div>";

fn action(ask: Ask) -> Option<Action> {
    match ask {
        Ask::Command(target) => Some(Action::Make(target)),
        Ask::Example(name) => Some(Action::Example(name)),
        _ => None,
    }
}

/// A block of code in the frame that the page's script looks for.
fn framed(class: &str, action: Option<&Action>, code: &str, form: &Form) -> String {
    if matches!(form, Form::Plain { .. }) {
        return match action {
            Some(Action::Example(name)) => format!(
                "{code}\nTo run it: `cargo run --profile lab --bin {}`",
                name.as_str()
            ),
            _ => code.to_owned(),
        };
    }
    let action = action.map_or_else(String::new, |action| {
        format!(" data-lab-action=\"{action}\"")
    });
    format!("<div class=\"{class}\"{action}>\n\n{code}\n</div>")
}

/// A code block whose fence is longer than any in the text.
fn fenced(language: &str, text: &str) -> String {
    let longest = text
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_those_inside() {
        assert_eq!(fenced("text", "a\n"), "```text\na\n```\n");
        assert_eq!(
            fenced("text", "```\na\n```\n"),
            "````text\n```\na\n```\n````\n"
        );
    }
}
