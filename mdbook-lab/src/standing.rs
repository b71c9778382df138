//! Where the reader is, as `driver status` says it in the terminal: each step's latest run, its best, and what is at its
//! edit points.

use std::{path::Path, time::SystemTime};

use lab_record::{Account, Next, Part, Reports, Standing, State};
use maud::{Markup, html};

use crate::{
    options::Options,
    status::{self, Ways, standings, with_code},
    step::Step,
};

/// What it is made of.
struct Told<'a> {
    number: usize,
    step: &'a Step,
    standing: Standing,
    account: Account,
}

fn told<'a>(options: &'a Options, root: &Path, reports: &Reports) -> Vec<Told<'a>> {
    let now = SystemTime::now();
    let steps = options.steps.iter().zip(standings(options, root, reports));
    (1..)
        .zip(steps)
        .map(|(number, (step, standing))| Told {
            number,
            step,
            standing,
            account: Account::of(reports, &step.scenario, now),
        })
        .collect()
}

/// What goes into a page's `.lab-standing`.
pub(crate) fn html(options: &Options, root: &Path, reports: &Reports, ways: &Ways) -> Markup {
    let all = told(options, root, reports);
    let of_all: Vec<Standing> = all.iter().map(|step| step.standing.clone()).collect();
    let later = all
        .iter()
        .position(|step| step.step.part == Part::Afterwards);
    let (hour, afterwards) = all.split_at(later.unwrap_or(all.len()));
    let saved: usize = of_all.iter().map(Standing::saved).sum();
    html! {
        div.table-wrapper {
            table {
                thead { tr { th { "step" } th { "latest run" } th { "best" } th { "runs" } th { "what you edit" } } }
                tbody { @for step in hour { (step.row(ways)) } }
                @if !afterwards.is_empty() {
                    tbody {
                        tr { th colspan="5" scope="rowgroup" { "After the event" } }
                        @for step in afterwards { (step.row(ways)) }
                    }
                }
            }
        }
        @if saved > 0 {
            p {
                (saved) @if saved == 1 { " text of yours is" } @else { " texts of yours are" }
                " saved: " code { "make restore" } " lists them and puts one back."
            }
        }
        @if let Some(late) = Next::of(&of_all).late() { p { (with_code(&late)) } }
        @for damaged in all.iter().flat_map(|step| &step.account.damaged) {
            p.lab-damaged {
                "Damaged: " code { (damaged.folder.strip_prefix(root).unwrap_or(&damaged.folder).display()) } ": " (damaged.why)
            }
        }
    }
}

impl Told<'_> {
    fn row(&self, ways: &Ways) -> Markup {
        let Account {
            runs, latest, best, ..
        } = &self.account;
        html! {
            tr {
                td { a href={ (ways.pages) (self.step.page()) } { (self.number) ". " (self.step.title) } }
                td.lab-unbroken {
                    @if let Some(latest) = latest {
                        @let report = format!("{}/{}/report.html", self.step.scenario, latest.run_id);
                        span class={ "lab-verdict lab-" (latest.outcome.name()) } {
                            @if ways.reports.is_some() { (status::link(ways, &latest.words(), &report)) }
                            @else { (latest.words()) }
                        }
                    } @else { (State::New) }
                }
                td { @if let Some(best) = best { (best) } @else { "–" } }
                td { (runs) }
                td { @for edit in &self.standing.edits { div { code { (name(&edit.file)) } ": " (edit) } } }
            }
        }
    }
}

fn name(file: &Path) -> String {
    file.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The same as Markdown: a line a step.
pub(crate) fn text(options: &Options, root: &Path, reports: &Reports) -> String {
    let lines = told(options, root, reports).into_iter().map(|step| {
        let latest = step.account.latest.as_ref();
        let latest = latest.map_or_else(|| State::New.to_string(), lab_record::Latest::words);
        let best = step.account.best;
        let best = best.map_or_else(String::new, |best| format!(", best {best}"));
        let edits = step.standing.edits.iter();
        let edits = edits.map(|edit| format!("; `{}`: {edit}", name(&edit.file)));
        let edits: String = edits.collect();
        format!(
            "{}. {}: {latest}{best}{edits}",
            step.number, step.step.title
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
