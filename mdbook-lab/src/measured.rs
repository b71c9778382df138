//! What the starter measures, printed beside what the reader's own run of it measured.

use std::fmt::Write as _;

use lab_record::{Check, Run};
use maud::{Markup, html};

use crate::step::{Step, Told};

/// What goes into a page's `.lab-measured`: folded until there is a run of the reader's own, since it answers what the page
/// asks.
pub(crate) fn html(step: &Step, own: Option<&Run>) -> Markup {
    html! {
        details.lab-printed open[own.is_some()] {
            summary {
                @if own.is_some() { "What it measured: on two cores elsewhere, and yours" }
                @else { "What it measures on two cores, once you have guessed and run it; yours will be near" }
            }
            div.table-wrapper {
                table {
                    thead {
                        tr {
                            th { "check" }
                            th { "kind" }
                            th { "two cores" }
                            @if own.is_some() { th { "yours" } }
                            th { "limit" }
                        }
                    }
                    tbody { @for told in &step.measured { (row(told, own)) } }
                }
            }
        }
    }
}

fn row(told: &Told, own: Option<&Run>) -> Markup {
    let seen = own.map(|run| run.checks.iter().find(|check| check.id == told.check));
    html! {
        tr {
            td { (told.title) }
            td { (told.kind) }
            td { (told.starter) }
            @if let Some(seen) = seen {
                td { @if let Some(Check { seen, .. }) = seen { strong { (seen.replace(' ', "\u{a0}")) } } @else { "–" } }
            }
            td { (told.limit) }
        }
    }
}

/// The same as a table in Markdown, without runs.
pub(crate) fn text(step: &Step) -> String {
    let mut table = "| check | kind | two cores | limit |\n|---|---|---|---|\n".to_owned();
    for Told {
        title,
        kind,
        starter,
        limit,
        ..
    } in &step.measured
    {
        let row = [title, kind, starter, limit].map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    table
}
