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

/// A whole page, with the `ways` to others at its head; none on the index.
pub(crate) fn page(title: &str, ways: Option<&Markup>, body: &Markup) -> Markup {
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
                @if let Some(ways) = ways { (ways) }
                main { (body) }
                footer { "Times of day are those of the machine that made this page. Times in charts and tables count from the start of the load. Numbers have three significant digits." }
            }
        }
    }
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
