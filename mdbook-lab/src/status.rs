//! What the runs say, as it stands in the pages: the latest run of a step, and all steps.

use std::path::{Path, PathBuf};

use lab_record::{
    Brief, Finding, Next, Others, Outcome, Part, Reports, Run, RunId, Standing, State,
};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{options::Options, step::Step};

/// How a page reaches other pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ways {
    /// In front of a path in the reports folder; none where no link could lead there.
    pub(crate) reports: Option<String>,
    /// The reports folder, relative to the project, for who looks there.
    pub(crate) folder: PathBuf,
    /// In front of a page of the book.
    pub(crate) pages: String,
}

impl Ways {
    /// As `mdbook-lab serve` has it.
    pub(crate) fn served(options: &Options) -> Self {
        Self {
            reports: Some("/reports/".to_owned()),
            folder: options.reports.clone(),
            pages: "/".to_owned(),
        }
    }
}

/// The latest run of a step's scenario with the participant's code.
pub(crate) struct Latest {
    run: Run,
    compared: Vec<Compared>,
}

const WITH_BEGAN: &str = "Compared with where you began";

/// A page that compares a run with another, relative to the reports.
struct Compared {
    with: &'static str,
    page: String,
}

impl Latest {
    /// Finds it; none where there is none.
    pub(crate) fn of(reports: &Reports, scenario: &str) -> Option<Self> {
        let run = reports
            .briefs(scenario)
            .filter(Brief::is_told)
            .find_map(|brief| reports.run(scenario, &brief.run_id).ok())?;
        let compared = compared(reports, &run);
        Some(Self { run, compared })
    }

    fn report(&self) -> String {
        format!("{}/{}/report.html", self.run.scenario.name, self.run.run_id)
    }

    /// When it was, to the minute; the run id tells it to the second.
    fn when(&self) -> String {
        self.run
            .started_at
            .strftime("%Y-%m-%d %H:%M UTC")
            .to_string()
    }

    /// The figure that is quoted first, in words.
    fn headline(&self) -> Option<(&str, &str, &str)> {
        let check = self.run.telling()?;
        Some((&check.title, &check.seen, &check.limit))
    }

    fn held(&self) -> String {
        let checks = &self.run.checks;
        let held = checks.iter().filter(|check| check.passed).count();
        format!("{held} of {} checks hold", checks.len())
    }
}

/// The comparisons of this run that the driver has made. There may be others, by hand.
fn compared(reports: &Reports, run: &Run) -> Vec<Compared> {
    let end = format!("--{}.html", run.run_id);
    let pages = std::fs::read_dir(reports.root().join("compare"));
    let runs: Vec<Run> = pages
        .into_iter()
        .flatten()
        .filter_map(|page| {
            let page = page.ok()?.file_name().into_string().ok()?;
            let other = page.strip_suffix(&end)?.parse().ok()?;
            reports.run(&run.scenario.name, &other).ok()
        })
        .collect();
    let Others {
        began, previous, ..
    } = Others::among(&runs, run);
    let named = [
        (WITH_BEGAN, began),
        ("Compared with the run before", previous),
    ];
    let there = named
        .into_iter()
        .filter_map(|(with, other)| Some((with, other?)));
    there
        .map(|(with, other)| Compared {
            with,
            page: format!("compare/{}{end}", other.run_id),
        })
        .collect()
}

/// The ways from a run to all that is to be read of it, and what has become of those that are missing.
fn links(run: &Run, compared: &[Compared], ways: &Ways) -> Markup {
    let has_began = compared.iter().any(|compared| compared.with == WITH_BEGAN);
    html! {
        (report(&run.scenario.name, &run.run_id, ways))
        @for Compared { with, page } in compared { " · " (link(ways, with, page)) }
        " · " (link(ways, "All runs", "index.html"))
        @if !has_began && let Some(way) = run.way_to_a_start() {
            br; "Compared with nothing: " (with_code(&way)) "."
        }
    }
}

/// The link to the report of a run.
fn report(scenario: &str, run: &RunId, ways: &Ways) -> Markup {
    let folder = utf8_percent_encode(scenario, NON_ALPHANUMERIC);
    link(ways, "Report", &format!("{folder}/{run}/report.html"))
}

/// Why a run has no score.
fn spoiled(run: &Run) -> Markup {
    html! {
        "This measurement can't be believed, so it has no score"
        @if let Some(Finding { name, text, .. }) = run.self_check.spoiler() { ": " (name) ". " (text) }
        @else { "." }
        " Close what else works on this machine, then run it again."
    }
}

/// The same of a run that has just ended.
pub(crate) fn links_of(reports: &Reports, scenario: &str, run: &RunId, ways: &Ways) -> Markup {
    let Ok(run) = reports.run(scenario, run) else {
        return html! { (report(scenario, run, ways)) " · " (link(ways, "All runs", "index.html")) };
    };
    html! {
        @if run.verdict.outcome == Outcome::Invalid { (spoiled(&run)) br; }
        (links(&run, &compared(reports, &run), ways))
    }
}

/// What goes into a page's `.lab-status`.
pub(crate) fn status(step: (usize, &Step), latest: Option<&Latest>, ways: &Ways) -> Markup {
    let Some(latest) = latest else {
        return html! {
            p { "No run of your code yet: " code { "make step" (step.0) } " makes one." }
        };
    };
    let verdict = latest.run.verdict;
    html! {
        p {
            strong class={ "lab-verdict lab-" (verdict.outcome.name()) } {
                (latest.run.verdict_words())
            }
            @if let Some(score) = verdict.score { " " (score) " of 100" }
            @if verdict.outcome.judges() { ", " (latest.held()) }
            ". Your code on " (latest.run.platform) ", "
            time datetime=(latest.run.started_at) { (latest.when()) } "."
        }
        @if verdict.outcome.judges() && let Some((title, seen, limit)) = latest.headline() {
            p { (title) ": " strong { (seen) } ", limit " (limit) "." }
        }
        @if verdict.outcome == Outcome::Invalid { p { (spoiled(&latest.run)) } }
        p { (links(&latest.run, &latest.compared, ways)) }
    }
}

/// A link into the reports, or the path of the file where no link would work.
pub(crate) fn link(ways: &Ways, text: &str, path: &str) -> Markup {
    html! {
        @if let Some(base) = &ways.reports { a href={ (base) (path) } { (text) } }
        @else { (text) ": " code { (ways.folder.join(path).display()) } }
    }
}

/// Where each of the steps stands, in their order.
pub(crate) fn standings(options: &Options, root: &Path, reports: &Reports) -> Vec<Standing> {
    let steps = options.steps.iter();
    let standing = |step: &Step| {
        let named = (step.title.as_str(), step.part);
        Standing::of(root, reports, &step.scenario, named, &step.edit)
    };
    steps.map(standing).collect()
}

/// What goes into a page's `.lab-progress`; `standings` are those of the steps.
pub(crate) fn progress(options: &Options, standings: &[Standing], ways: &Ways) -> Markup {
    let done = |part| {
        let steps = standings.iter().filter(|step| step.part == part);
        let is_done = |step: &&Standing| matches!(step.state, State::Done { .. });
        (steps.clone().filter(is_done).count(), steps.count())
    };
    let ((done, all), (later, more)) = (done(Part::Hour), done(Part::Afterwards));
    html! {
        p {
            strong { (done) " of " (all) " steps done" }
            @if more > 0 { ", and " (later) " of " (more) " after the event" }
        }
        ol {
            @for (step, Standing { state, .. }) in options.steps.iter().zip(standings) {
                li class={ "lab-step lab-" (state.name()) } data-lab-words=(state) {
                    a href={ (ways.pages) (step.page()) } { (step.title) }
                    ": " (state)
                }
            }
        }
        (next(options, standings, ways))
    }
}

/// The one next thing to do.
pub(crate) fn next(options: &Options, standings: &[Standing], ways: &Ways) -> Markup {
    html! { p.lab-next { (next_words(options, standings, ways)) } }
}

/// The same as the words of a line, which are those of the driver in the terminal.
pub(crate) fn next_words(options: &Options, standings: &[Standing], ways: &Ways) -> Markup {
    let next = Next::of(standings);
    let step = next
        .number()
        .and_then(|number| options.steps.get(number - 1));
    html! {
        "Next: " (next.lead())
        @if let (Some(step), Some(about)) = (step, next.about()) {
            a href={ (ways.pages) (step.page()) } { (about) } ": "
        }
        (with_code(&next.what()))
    }
}

/// Words with commands in backticks.
pub(crate) fn with_code(words: &str) -> Markup {
    html! {
        @for (n, part) in words.split('`').enumerate() {
            @if n % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// The same as plain text.
pub(crate) fn next_text(standings: &[Standing]) -> String {
    let next = Next::of(standings);
    let about = next.about().map_or_else(String::new, |about| about + ": ");
    format!("Next: {}{about}{}", next.lead(), next.what())
}

/// The status as plain text, for other renderers than HTML.
pub(crate) fn status_text(
    step: (usize, &Step),
    latest: Option<&Latest>,
    options: &Options,
) -> String {
    let Some(latest) = latest else {
        return format!("No run of your code yet: `make step{}` makes one.", step.0);
    };
    let verdict = latest.run.verdict;
    let score = verdict
        .score
        .map_or_else(String::new, |score| format!(" {score} of 100"));
    let headline = latest
        .headline()
        .map_or_else(String::new, |(title, seen, limit)| {
            format!(" {title}: {seen}, limit {limit}.")
        });
    format!(
        "**{}**{score}, {}.{headline} Report: `{}`",
        latest.run.verdict_words(),
        latest.when(),
        options.reports.join(latest.report()).display()
    )
}

/// The progress as plain text.
pub(crate) fn progress_text(standings: &[Standing]) -> String {
    let lines: Vec<_> = (1..)
        .zip(standings)
        .map(|(number, step)| format!("{number}. {}: {}", step.title, step.state))
        .collect();
    lines.join("\n")
}
