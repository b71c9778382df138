//! The table of checks, grouped by what they speak of.

use lab_record::{Check, CheckKind, Run};
use maud::{Markup, html};

use super::number::{NONE, share};

/// The kinds in the order in which they are shown, each with what it asks.
pub(crate) const KINDS: [(CheckKind, &str, &str); 3] = [
    (CheckKind::Effect, "Effect", "what users feel"),
    (CheckKind::Mechanism, "Mechanism", "why they feel it"),
    (
        CheckKind::Correctness,
        "Correctness",
        "nothing lost, nothing faked",
    ),
];

/// All checks of a run.
pub(crate) fn table(run: &Run) -> Markup {
    let weights: f64 = run.checks.iter().map(|check| check.weight.get()).sum();
    html! {
        div.scroll {
            table.checks {
                thead {
                    tr {
                        th scope="col" { "Check" }
                        th.n scope="col" { "Limit" }
                        th.n scope="col" { "Seen" }
                        th scope="col" { "Result" }
                        th.n scope="col" { "Grade" }
                    }
                }
                @for (kind, name, question) in KINDS {
                    @let checks: Vec<&Check> = run.checks.iter().filter(|check| check.kind == kind).collect();
                    @if !checks.is_empty() {
                        tbody {
                            tr.group { th colspan="5" scope="rowgroup" { (name) " " small { (question) } } }
                            @for check in checks {
                                (row(check, weights, run.verdict.outcome.judges()))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn row(check: &Check, weights: f64, judged: bool) -> Markup {
    html! {
        tr {
            td {
                @if check.why.is_empty() {
                    (check.title)
                } @else {
                    details { summary { (check.title) } p { (check.why) } }
                }
            }
            td.n { (check.limit) }
            td.n { b { (check.seen) } }
            @if judged {
                td { (result(check.passed)) }
                td.n title=[(weights > 0.0).then(|| format!("{} of the score", share(check.weight.get() / weights)))] {
                    (share(check.grade.get()))
                }
            } @else {
                td { "not judged" }
                td.n { (NONE) }
            }
        }
    }
}

/// Sign and word, so that colour is never needed.
pub(crate) fn result(passed: bool) -> Markup {
    let (class, sign, word) = if passed {
        ("pass", "✓", "pass")
    } else {
        ("fail", "✗", "fail")
    };
    html! { span.result.(class) { span aria-hidden="true" { (sign) } " " (word) } }
}
