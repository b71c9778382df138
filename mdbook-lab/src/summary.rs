//! What came of the hour, to take home: each step before and after, with the guess. On paper it is a page.

use lab_record::{Check, Part, Reports, Run};
use maud::{Markup, html};

use crate::{options::Options, status::Ways, step::Step, story::Story};

/// A step and its story.
struct Row<'a> {
    number: usize,
    step: &'a Step,
    story: Story,
}

/// What goes into a page's `.lab-summary`.
pub(crate) fn html(options: &Options, reports: &Reports, ways: &Ways) -> Markup {
    let rows = rows(options, reports);
    html! {
        @if !rows.iter().any(Row::is_told) {
            p { "Each step before and after, with your guess: nothing yet. A run of the starter and one of your fix fill it." }
        } @else {
            div.table-wrapper {
                table {
                    thead {
                        tr { th { "step" } th { "measured" } th { "before" } th { "after" } th { "score" } th { "your guess" } }
                    }
                    tbody { @for row in &rows { (row.markup(ways)) } }
                }
            }
            p { strong { "To share: " } (share(&rows)) }
        }
    }
}

/// The steps of the hour, and of those after the event the ones with runs.
fn rows<'a>(options: &'a Options, reports: &Reports) -> Vec<Row<'a>> {
    let rows = (1..).zip(&options.steps).map(|(number, step)| Row {
        number,
        step,
        story: Story::of(reports, &step.scenario),
    });
    rows.filter(|row| row.step.part == Part::Hour || row.is_told())
        .collect()
}

impl Row<'_> {
    /// Whether there is something to tell of it.
    fn is_told(&self) -> bool {
        self.story.began.is_some() || self.story.now.is_some()
    }

    fn markup(&self, ways: &Ways) -> Markup {
        let Story { began, now, answer } = &self.story;
        let title = [now, began]
            .into_iter()
            .flatten()
            .find_map(Run::headline)
            .map(|check| &*check.title);
        html! {
            tr {
                td { a href={ (ways.pages) (self.step.page()) } { (self.number) ". " (self.step.title) } }
                td { (title.unwrap_or("–")) }
                td { (seen(began.as_ref())) }
                td { strong { (seen(now.as_ref())) } }
                td.lab-unbroken { (score(began.as_ref())) " → " strong { (score(now.as_ref())) } }
                td.lab-unbroken {
                    @if let Some(guess) = answer { @for (whose, figure) in guess.figures() { div { (whose) " " (figure) } } }
                    @else { "–" }
                }
            }
        }
    }
}

/// The figure that is quoted first.
fn seen(run: Option<&Run>) -> String {
    let figure = run
        .and_then(Run::headline)
        .map(|Check { seen, .. }| seen.replace(' ', "\u{a0}"));
    figure.unwrap_or_else(|| "–".to_owned())
}

fn score(run: Option<&Run>) -> String {
    let score = run.and_then(|run| run.verdict.score);
    score.map_or_else(|| "–".to_owned(), |score| score.to_string())
}

/// In one line, for who wants to tell it.
fn share(rows: &[Row<'_>]) -> String {
    let told = rows.iter().map(|row| {
        let (began, now) = (
            score(row.story.began.as_ref()),
            score(row.story.now.as_ref()),
        );
        format!("{} {began} → {now}", row.step.scenario)
    });
    told.collect::<Vec<_>>().join(", ")
}

/// The same as Markdown: a line a step.
pub(crate) fn text(options: &Options, reports: &Reports) -> String {
    let rows = rows(options, reports).into_iter();
    let lines = rows.map(
        |Row {
             number,
             step,
             story,
         }| {
            let (began, now) = (story.began.as_ref(), story.now.as_ref());
            let guess = story
                .answer
                .as_ref()
                .map(|guess| format!("; {}", guess.line()));
            format!(
                "{number}. {}: {} → {}, score {} → {}{}",
                step.title,
                seen(began),
                seen(now),
                score(began),
                score(now),
                guess.unwrap_or_default()
            )
        },
    );
    lines.collect::<Vec<_>>().join("\n")
}
