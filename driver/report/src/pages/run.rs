//! The report of one run. Its first screen answers: did it hold, why, and where to look.

use lab_record::{EndedEarly, Others, Outcome, Run};
use maud::{Markup, html};

use super::{
    chart::{Marks, Stack, TimeAxis, panels, sort},
    checks, classes, comparisons, facts, failures, guess, headline, home,
    number::moment,
    page, spread, stage,
};

/// The report as a page.
pub(crate) fn page(run: &Run, others: &Others<'_>) -> Markup {
    let title = format!(
        "{} {} · {}",
        run.scenario.name,
        run.verdict.outcome.word(),
        run.run_id
    );
    let stack = stack(run);
    let body = html! {
        (head(run, others, stack.panels.first_title()))
        section #checks {
            h2 { "Checks" }
            @if !run.verdict.outcome.judges() {
                p.note { "What was seen, for the record: a run that is " (run.verdict.outcome.word()) " is not judged." }
            }
            (checks::table(run))
        }
        (guess::section(run))
        section #charts {
            h2 { "Over time" }
            (stack.markup())
        }
        (spread::section(run))
        section #classes { h2 { "Requests" } (classes::table(run)) }
        section #source { h2 { "The code that ran" } (facts::sources(&run.sources)) }
        section #scenario { h2 { "The scenario" } (facts::scenario(run)) }
        section #events { h2 { "Events" } (facts::events(&run.events)) }
        section #machine {
            h2 { "Machine and versions" }
            (facts::machine(run))
            p { a href="data.json" { "data.json" } " has everything on this page, and more." }
        }
        @if run.stage.is_some() { (stage::scripts()) }
    };
    let of = (run.scenario.name.as_str(), run.scenario.step);
    let ways = home::ways("../../index.html", Some(of));
    page::page(&title, Some(&ways), &body)
}

fn head(run: &Run, others: &Others<'_>, chart: Option<&str>) -> Markup {
    let failed: Vec<String> = failures::lines(run).collect();
    html! {
        header.run {
            p.where {
                @if let Some(step) = run.scenario.step { "Step " (step) " · " }
                (run.scenario.name) " · " (run.code) " · " (run.platform) " · "
                time datetime=(run.started_at) { (moment(run.started_at)) }
            }
            h1 { (run.scenario.title) }
            div.opening {
            div.verdict.(run.verdict.outcome.name()) {
                (badge(run))
                div.answers {
                    p.held { (headline::held(run)) }
                    dl {
                        @if let Some(why) = headline::why(run) { dt { "Why" } dd { (why) } }
                        @if let Some(look_at) = headline::look_at(run, chart) { dt { "Look at" } dd { a href="#charts" { (look_at) } } }
                        @if let Some(guess) = run.answer() { dt { "Guess" } dd { a href="#guess" { (guess.line()) } } }
                        @if others.iter().next().is_some() {
                            dt { "Compared" }
                            dd {
                                @for (n, (with, file)) in comparisons(run, others).enumerate() {
                                    @if n > 0 { " · " }
                                    a href={ "../../" (file) } { (with) }
                                }
                            }
                        }
                        @if !failed.is_empty() {
                            dt { "Failed" } dd { @for line in failed { span.failures { (line) } } }
                        }
                    }
                    @if let Some(early) = &run.ended_early {
                        p.cut {
                            "It was ended because that can't change any more (" code { "--fail-fast" } "): there is no \
                             score, and no comparison with whole runs. Undecided: " (undecided(early)) "."
                        }
                    } @else if !run.complete && run.verdict.outcome != Outcome::Cancelled {
                        p.cut { "The run was cut short; what was measured until then is here." }
                    }
                }
            }
            @if let Some(stage) = stage::figure(run) { (stage) }
            }
            (facts::self_check(&run.self_check))
        }
    }
}

fn undecided(early: &EndedEarly) -> String {
    if early.undecided.is_empty() {
        "nothing".to_owned()
    } else {
        early.undecided.join("; ")
    }
}

fn badge(run: &Run) -> Markup {
    html! {
        div.score {
            strong { (run.verdict.outcome.word()) } " "
            @if let Some(score) = run.verdict.score {
                span { b { (score) } "/100" }
            } @else {
                span { "no score" }
            }
        }
    }
}

fn stack(run: &Run) -> Stack<'_> {
    Stack {
        panels: sort(panels(&run.series), &[run]),
        axis: TimeAxis::fit(length(run)),
        marks: Marks {
            phases: &run.phases,
            events: &run.events,
            pauses: &run.pauses,
        },
    }
}

/// How long the axis must be: the load, the wait for late answers, and what was measured after.
pub(crate) fn length(run: &Run) -> f64 {
    let phases = run.phases.iter().map(|phase| phase.end_s);
    let points = run
        .series
        .iter()
        .filter_map(|series| series.points.last().map(|point| point.0));
    phases
        .chain(points)
        .chain([run.duration_s])
        .filter(|end| end.is_finite())
        .fold(0.0, f64::max)
}
