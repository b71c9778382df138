//! The table of request classes: what became of their requests and how long they took.

use lab_record::{Class, Latency, PhaseStats, Run};
use maud::{Markup, html};

use super::{
    failures,
    number::{NONE, count, duration, quantile, share},
};

/// All classes, each over the whole run and, folded away, by phase.
pub(crate) fn table(run: &Run) -> Markup {
    let classes = &run.classes;
    let refusals_are = if run.schema > 1 {
        "how long that took is said beside the count and is in no percentile of answers."
    } else {
        "in this run's old format the percentiles have these in them."
    };
    html! {
        div.scroll {
            table.classes {
                (head())
                @for class in classes {
                    tbody {
                        tr.group {
                            th colspan="16" scope="rowgroup" {
                                (class.name)
                                @if class.bystander { " " span.tag { "bystander" } }
                                " " small {
                                    code { (class.request) } " · objective " (duration(class.slo_ms))
                                    " · given up after " (duration(class.timeout_ms))
                                }
                            }
                        }
                        (row(class, &class.total, "whole run"))
                        @if class.by_phase.len() > 1 {
                            @for phase in &class.by_phase {
                                (row(class, phase, &phase.phase))
                            }
                        }
                    }
                }
            }
        }
        p.note {
            "Latency counts from the intended send: it is what users feel. Service time counts from the \
             actual send: it is what a tool shows that waits for answers. Requests that failed, timed out \
             or were dropped are in both as lower bounds, hence ≥. Refused: turned away as the scenario calls \
             right; " (refusals_are) " Good: went well within the objective, of all offered."
        }
    }
}

fn head() -> Markup {
    html! {
        thead {
            tr {
                td {}
                th colspan="7" scope="colgroup" { "Requests" }
                th colspan="4" scope="colgroup" { "Latency" }
                th colspan="4" scope="colgroup" { "Service time" }
            }
            tr {
                td {}
                @for name in ["offered", "sent", "ok", "refused", "failed", "timed out", "dropped"] {
                    th.n scope="col" { (name) }
                }
                @for _ in 0..2 {
                    @for name in ["p50", "p95", "p99", "max"] {
                        th.n scope="col" { (name) }
                    }
                }
            }
        }
    }
}

fn row(class: &Class, stats: &PhaseStats, name: &str) -> Markup {
    let counts = stats.counts;
    html! {
        tr.whole[name == "whole run"] {
            th scope="row" {
                (name) " "
                // Where nobody asked, nothing went badly.
                @if counts.offered > 0 { small.good { (share(stats.good_share)) " good" } }
            }
            @for number in [counts.offered, counts.sent, counts.ok] {
                td.n { (count(number)) }
            }
            td.n {
                (count(counts.expected))
                @if let Some(p99) = stats.refusals.p99 { br; small { "p99 " (quantile(Some(p99))) } }
            }
            @for number in [counts.failed, counts.timed_out, counts.dropped] {
                td.n.bad[number > 0] { (count(number)) }
            }
            (times(&stats.latency))
            (times(&stats.service_time))
        }
        @if let Some(reasons) = failures::reasons(class, stats) {
            tr { td {} td.reasons colspan="15" { "failed: " (reasons) } }
        }
        @if counts.unfinished > 0 {
            tr { td {} td.reasons.unfinished colspan="15" { (count(counts.unfinished)) " unfinished when the run ended" } }
        }
    }
}

fn times(latency: &Latency) -> Markup {
    let quantiles = [latency.p50, latency.p95, latency.p99, latency.max];
    html! {
        @for (at, one) in quantiles.into_iter().enumerate() {
            td.n.first[at == 0] { @if one.is_some() { (quantile(one)) } @else { (NONE) } }
        }
    }
}
