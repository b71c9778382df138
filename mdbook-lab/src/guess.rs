//! The question before the first run of a step, and its answer: what the reader said, what the law says, what it was.

use lab_record::{Guess, Reports};
use maud::{Markup, html};

use crate::{
    step::{Asked, Step},
    story::Story,
};

/// The question of a step; the error says that it has none.
fn asked(step: &Step) -> Result<&Asked, String> {
    step.guess.as_ref().ok_or_else(|| {
        format!(
            "the scenario `{}` asks nothing: it has no `[guess]`",
            step.scenario
        )
    })
}

/// What goes into a page's `.lab-guess`.
pub(crate) fn html(number: usize, step: &Step, reports: &Reports) -> Result<Markup, String> {
    let asked = asked(step)?;
    Ok(match Story::of(reports, &step.scenario).answer {
        None => html! {
            p { "Before you run it, guess: " strong { (asked.question) } }
            (field(number, step, asked))
        },
        Some(guess) => html! {
            (answer(&guess))
            details {
                summary { "Guess again" }
                (field(number, step, asked))
                p.lab-small { "The starter’s run answers it: " code { "make reset" } " brings its text back, and saves yours." }
            }
        },
    })
}

/// The field is for the page's script, which alone can hand the guess on.
fn field(number: usize, step: &Step, asked: &Asked) -> Markup {
    let id = format!("lab-guess-{}", step.scenario);
    html! {
        p.lab-guess-field hidden {
            label for=(id) { "Your guess, in " (asked.unit) }
            " "
            input id=(id) type="number" min="0" max=(LARGEST) step="any" inputmode="decimal" autocomplete="off"
                data-lab-action={ "step" (number) };
            " " span.lab-small { "Enter runs the step with it. Leave it empty to run without." }
        }
        p.lab-small.lab-guess-terminal {
            "In a terminal: " code { "make step" (number) " GUESS=" (EXAMPLE) } ", without its unit."
        }
    }
}

/// The largest guess that a page hands on.
pub(crate) const LARGEST: u32 = 1_000_000;

/// A number for the example of a command. It is no hint.
const EXAMPLE: u32 = 42;

/// The three figures beside each other, and where the law's comes from.
pub(crate) fn answer(guess: &Guess) -> Markup {
    html! {
        p { (guess.question) }
        dl.lab-guess-figures {
            @for (whose, figure) in guess.figures() { div { dt { (whose) } dd { (figure.replace(' ', "\u{a0}")) } } }
        }
        p.lab-small { (guess.sum) " " (guess.differs) }
    }
}

/// The question as Markdown.
pub(crate) fn text(number: usize, step: &Step) -> Result<String, String> {
    let asked = asked(step)?;
    Ok(format!(
        "Before you run it, guess: **{}** In {}; `make step{number} GUESS={EXAMPLE}` keeps it with the run.",
        asked.question, asked.unit
    ))
}
