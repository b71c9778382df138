//! The skeleton that all pages share.

use std::fmt::Write;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{chart::TimeAxis, stage};

const STYLE: &str = include_str!("style.css");
/// The browser itself refuses whatever the tests might have missed.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:",
        stage::sources()
    )
}

/// A whole page. `home` is the link to the index, none on the index itself; `scenario` that of the runs on it.
pub(crate) fn page(
    title: &str,
    home: Option<&str>,
    scenario: Option<&str>,
    body: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Else browsers ask for /favicon.ico.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(lab_stage::STYLE)) (PreEscaped(crosshairs())) }
            }
            body {
                @if let Some(home) = home {
                    nav.home {
                        a href=(home) { "← All runs" }
                        @if let Some(scenario) = scenario { (guide(scenario)) }
                    }
                }
                main { (body) }
                footer { "All times are UTC. Times in charts and tables count from the start of the load. Numbers have three significant digits." }
            }
        }
    }
}

/// Where the guide puts its link to the page of the scenario's step while it serves the report. By itself a report knows of
/// no guide.
pub(crate) fn guide(scenario: &str) -> Markup {
    html! { span.guide data-lab-guide=(scenario) {} }
}

/// Pointing at a moment in one chart marks it in all of them.
fn crosshairs() -> String {
    let mut rules = String::new();
    for n in 1..=TimeAxis::MOST_SLICES {
        let slice = format!(".s:nth-child({n})");
        let _ = writeln!(
            rules,
            ".stack:has({slice}:is(:hover,:focus-within)) {slice}::before{{opacity:1}}"
        );
    }
    rules
}
