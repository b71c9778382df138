//! Two runs: one sentence, the checks side by side, the charts overlaid, and what changed in the
//! code.

use lab_record::{Others, Run};
use maud::{Markup, html};

use super::{
    chart::{Marks, Stack, TimeAxis, overlay, sort},
    checks::{KINDS, result},
    comparison_file, comparisons,
    diff::diffs,
    home,
    number::{NONE, moment, quantile, share, three_digits},
    page,
    run::length,
    spread, stage,
};
use crate::compare::{Change, CheckPair, ClassPair, Comparison, Ratio};

/// The comparison as a page.
pub(crate) fn page(comparison: &Comparison, a: &Run, b: &Run, others: &Others<'_>) -> Markup {
    let title = format!("{}: {} against {}", b.scenario.name, b.run_id, a.run_id);
    let body = html! {
        header.run {
            p.where {
                @if let Some(step) = b.scenario.step { "Step " (step) " · " }
                (b.scenario.name) " · two runs compared"
            }
            h1 { (b.scenario.title) }
            p.held { (comparison.sentence()) }
            (beside(a, b, others))
            div.sides { (side("A", a)) (side("B", b)) }
            @if !comparison.cautions.is_empty() {
                ul.cautions { @for caution in &comparison.cautions { li { (caution) } } }
            }
        }
        @if let Some(stages) = stage::compared(a, b) { (stages) (stage::scripts()) }
        section #checks { h2 { "Checks" } (checks(&comparison.checks, (&a.code, &b.code))) }
        section #source { h2 { "What changed in the code" } (diffs(&comparison.sources)) }
        section #charts {
            h2 { "Over time" }
            p.note { "B in full, A thin and dashed in the same colour. Phases and events are those of B." }
            (stack(a, b).markup())
        }
        (spread::compared(a, b))
        section #classes { h2 { "Latency" } (classes(&comparison.classes)) }
        @if comparison.classes.iter().any(ClassPair::has_failures) {
            section #failures { h2 { "Failed requests" } (failures(&comparison.classes)) }
        }
    };
    let of = (b.scenario.name.as_str(), b.scenario.step);
    let ways = home::ways("../index.html", Some(of));
    page::page(&title, Some(&ways), &body)
}

/// Which of B's comparisons this is, and the way to the other.
fn beside(a: &Run, b: &Run, others: &Others<'_>) -> Markup {
    let this = comparison_file(a, b);
    let all: Vec<_> = comparisons(b, others).collect();
    html! {
        @if let Some((with, _)) = all.iter().find(|(_, file)| *file == this) {
            p.note {
                "B compared " (with)
                @for (with, file) in all.iter().filter(|(_, file)| *file != this) {
                    " · " a href={ "../" (file) } { (with) }
                }
            }
        }
    }
}

fn side(name: &str, run: &Run) -> Markup {
    html! {
        a.side href={ "../" (run.scenario.name) "/" (run.run_id) "/report.html" } {
            b.name { (name) } " "
            span.badge.(run.verdict.outcome.name()) {
                (run.verdict_words())
                @if let Some(score) = run.verdict.score { " " (score) "/100" }
            }
            " " span { (run.code_words()) " · " (run.platform) } " "
            time.quiet datetime=(run.started_at) { (moment(run.started_at)) }
        }
    }
}

fn checks(pairs: &[CheckPair], codes: (&str, &str)) -> Markup {
    html! {
        div.scroll {
            table.checks.pairs {
                thead {
                    tr {
                        td rowspan="2" {}
                        th colspan="3" scope="colgroup" { "A · " (codes.0) }
                        th colspan="3" scope="colgroup" { "B · " (codes.1) }
                    }
                    tr {
                        @for _ in 0..2 {
                            th.n scope="col" { "Seen" }
                            th.n scope="col" { "Limit" }
                            th scope="col" { "Result" }
                        }
                    }
                }
                @for (kind, name, question) in KINDS {
                    @let pairs: Vec<&CheckPair> = pairs.iter().filter(|pair| pair.kind == kind).collect();
                    @if !pairs.is_empty() {
                        tbody {
                            tr.group { th colspan="7" scope="rowgroup" { (name) " " small { (question) } } }
                            @for pair in pairs {
                                tr {
                                    th scope="row" { (pair.title) }
                                    @for check in [&pair.a, &pair.b] {
                                        @if let Some(check) = check {
                                            td.n.first { b { (check.seen) } }
                                            td.n { (check.limit) }
                                            td { (result(check.passed)) }
                                        } @else {
                                            td.n.first { (NONE) } td.n { (NONE) } td { "not asked" }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn stack<'a>(a: &Run, b: &'a Run) -> Stack<'a> {
    Stack {
        panels: sort(overlay(&a.series, &b.series), &[a, b]),
        axis: TimeAxis::fit(length(a).max(length(b))),
        marks: Marks {
            phases: &b.phases,
            events: &b.events,
            pauses: &b.pauses,
        },
    }
}

fn classes(pairs: &[ClassPair]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th scope="col" { "Requests" } th scope="col" { "Phase" }
                        th.n scope="col" { "Good, A" } th.n scope="col" { "Good, B" }
                        th.n scope="col" { "Latency, A" } th.n scope="col" { "Latency, B" }
                        th scope="col" { "B against A" }
                    }
                }
                tbody {
                    @for pair in pairs {
                        tr {
                            th scope="row" { (pair.name) }
                            td { @if pair.phase == "all" { "whole run" } @else { (pair.phase) } }
                            td.n { (share(pair.good_share.0)) } td.n { b { (share(pair.good_share.1)) } }
                            td.n { (pair.latency.name) " " (quantile(pair.latency.a)) }
                            td.n { (pair.latency.name) " " b { (quantile(pair.latency.b)) } }
                            td { (change(pair.change)) }
                        }
                    }
                }
            }
        }
        p.note {
            "Of two single runs a direction is stated only where one latency is at least twice the other and they \
             are a tenth of the objective apart: less than that can be the luck of the day. It is p99, or a lower percentile where in both \
             runs that is longer than anybody waits. Compared is the last phase in which something is wrong \
             on purpose, where the two runs have one. Good: went well within the objective, of all offered."
        }
    }
}

/// Of the whole runs, unlike the latency.
fn failures(pairs: &[ClassPair]) -> Markup {
    html! {
        div.scroll {
            table {
                thead {
                    tr { th scope="col" { "Requests" } th scope="col" { "A" } th scope="col" { "B" } }
                }
                tbody {
                    @for pair in pairs.iter().filter(|pair| pair.has_failures()) {
                        tr {
                            th scope="row" { (pair.name) }
                            td { (pair.failed.0) } td { (pair.failed.1) }
                        }
                    }
                }
            }
        }
    }
}

/// What can be said of a change, in words.
fn change(change: Change) -> String {
    let times = |ratio: Ratio, word: &str| {
        let at_least = if ratio.at_least { "at least " } else { "" };
        format!("{at_least}{} × {word}", three_digits(ratio.times))
    };
    match change {
        Change::Lower(ratio) => times(ratio, "lower"),
        Change::Higher(ratio) => times(ratio, "higher"),
        Change::NotDistinguishable => "not distinguishable".to_owned(),
        Change::Unmeasured => "not measured in both".to_owned(),
    }
}
