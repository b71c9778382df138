//! Two groups of runs: what each came to, and what can be said of the difference.

use lab_record::{Outcome, Run};
use maud::{Markup, html};

use super::{
    diff::diffs,
    home,
    number::{counted, duration},
    page,
};
use crate::compare::{
    Comparison,
    groups::{ENOUGH, GroupedClass},
};

/// What a group came to, in one line; `valid` are those of `all` that are measurements.
pub(crate) fn line(all: &[Run], valid: &[Run]) -> String {
    let passed = valid
        .iter()
        .filter(|run| run.verdict.outcome == Outcome::Pass)
        .count();
    let scores = valid.iter().filter_map(|run| run.verdict.score);
    let range = match (scores.clone().min(), scores.max()) {
        (Some(least), Some(most)) if least == most => format!(", score {least}"),
        (Some(least), Some(most)) => format!(", scores {least} to {most}"),
        _ => String::new(),
    };
    let early = all.iter().filter(|run| run.ended_early.is_some()).count();
    let left_out = |some: usize, what: &str| match some {
        0 => String::new(),
        some => format!(", {some} {what} and left out"),
    };
    let invalid = left_out(all.len() - valid.len() - early, "INVALID");
    let early = left_out(early, "ended early");
    let code = all.first().map_or("", |run| run.code.as_str());
    format!(
        "{code}, {}: {passed} PASS, {} FAIL{range}{invalid}{early}",
        counted(all.len(), "run", "runs"),
        valid.len() - passed
    )
}

/// The comparison as a page; of each group the latest run's code is shown.
pub(crate) fn page(a: &[Run], b: &[Run], classes: &[GroupedClass]) -> Option<Markup> {
    let (first, last) = (a.last()?, b.last()?);
    let title = format!(
        "{}: {} against {} runs",
        last.scenario.name,
        b.len(),
        a.len()
    );
    let body = html! {
        header.run {
            p.where {
                @if let Some(step) = last.scenario.step { "Step " (step) " · " }
                (last.scenario.name) " · groups of runs compared"
            }
            h1 { (last.scenario.title) }
            @for class in classes { p.held { (class.sentence()) "." } }
            p.quiet { "A: " (line(a, a)) } p.quiet { "B: " (line(b, b)) }
        }
        section #runs {
            h2 { "Each run once" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "Run" } th scope="col" { "Verdict" }
                            @for class in classes { th.n scope="col" { "p99 of " (class.name) } }
                        }
                    }
                    @for (name, runs) in [("A", a), ("B", b)] {
                        tbody {
                            tr.group { th colspan=(2 + classes.len()) scope="rowgroup" { (name) } }
                            @for (at, run) in runs.iter().enumerate() { (row(at, run, name == "A", classes)) }
                        }
                    }
                }
            }
            p.note {
                "The run is the unit: requests of one run share its luck and are not counted one by one. Two groups \
                 are called different where fewer than 5 of 100 identical ones would be as far apart by the exact \
                 test of Mann and Whitney, adjusted by Holm for the number of classes, and never below " (ENOUGH)
                " runs each. The ratio is the Hodges–Lehmann estimate."
            }
        }
        section #source { h2 { "What changed in the code" } (diffs(&Comparison::of(first, last).sources)) }
    };
    let of = (first.scenario.name.as_str(), first.scenario.step);
    let ways = home::ways("../index.html", Some(of));
    Some(page::page(&title, Some(&ways), &body))
}

fn row(at: usize, run: &Run, in_a: bool, classes: &[GroupedClass]) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href={ "../" (run.scenario.name) "/" (run.run_id) "/report.html" } { (run.run_id) }
            }
            td {
                span.badge.(run.verdict.outcome.name()) {
                    (run.verdict.outcome.word())
                    @if let Some(score) = run.verdict.score { " " (score) "/100" }
                }
            }
            @for class in classes {
                @let values = if in_a { &class.a } else { &class.b };
                td.n { @if let Some(ms) = values.get(at) { (duration(*ms)) } }
            }
        }
    }
}
