//! Ways from a page of the reports: to the index, to the guide, and to the one next thing to do.
//!
//! A report is a file. The guide is a server that may not run, or a built book that may not be there; and what to do next
//! changes with each run. So a report leads to the index beside it, which is made again with each run and knows what there is:
//! the pages of the built book, or how to open the guide. While the guide serves reports it puts its own links into the
//! places that are marked here (`mdbook-lab/src/home.rs`).

use maud::{Markup, html};

/// What the index knows of the guide, and of how far its steps are.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// What to do next, with commands in backticks; none where nobody can tell.
    pub next: Option<String>,
    /// The steps in their order.
    pub steps: Vec<StepPage>,
}

/// A step's page in the guide.
#[derive(Clone, Debug)]
pub struct StepPage {
    /// Its scenario.
    pub scenario: String,
    /// What it is called, as `Step 1: Timeouts`.
    pub name: String,
    /// Its page in the built book, relative to the reports; none where that is not there.
    pub page: Option<String>,
}

/// The head of a page: where it leads to. `index` is the link to the index.
pub(super) fn ways(index: &str, of: Option<(&str, Option<u8>)>) -> Markup {
    html! {
        nav.home aria-label="Ways" {
            a href=(index) { "← All runs" }
            @if let Some((scenario, step)) = of {
                span.guide data-lab-guide=(scenario) {
                    @if let Some(step) = step { a href={ (index) "#guide" } { "Step " (step) " in the guide" } }
                }
            }
            span.next data-lab-next="" { a href={ (index) "#next" } { "What next?" } }
        }
    }
}

/// On the index: what to do next, and the steps, with links where the built book has their pages.
pub(super) fn guide(home: &Home) -> Markup {
    let is_built = home.steps.iter().any(|step| step.page.is_some());
    html! {
        @if let Some(next) = &home.next {
            p.next #next { span.next data-lab-next="" { b { "Next: " } (code_in(next)) } }
        }
        @if !home.steps.is_empty() {
            nav.jump #guide aria-label="The guide" {
                span.quiet {
                    "The guide"
                    @if !is_built { span data-lab-how="" { ", which " code { "make book" } " opens" } }
                    ":"
                }
                @for step in &home.steps {
                    span.guide data-lab-guide=(step.scenario) {
                        @if let Some(page) = &step.page { a href=(page) { (step.name) } } @else { (step.name) }
                    }
                }
            }
        }
    }
}

/// A text in which what stands in backticks is code.
fn code_in(text: &str) -> Markup {
    html! {
        @for (n, part) in text.split('`').enumerate() {
            @if n % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
