//! What a report rests on: the code, the scenario, the machine, the events, the self-check.

use lab_record::{Address, Event, Run, SelfCheck, SourceFile, Validity};
use maud::{Markup, html};

use super::{
    chart::event_name,
    number::{counted, duration, moment, seconds},
    validity_class,
};

/// One line: may the measurement be believed, and if not, why; all findings folded below.
pub(crate) fn self_check(check: &SelfCheck) -> Markup {
    let doubts = check
        .findings
        .iter()
        .filter(|finding| finding.validity != Validity::Valid);
    html! {
        details.selfcheck.(validity_class(check.validity)) {
            summary {
                "Measurement " b { (check.validity.word()) }
                @if check.validity == Validity::Valid {
                    span.quiet { " — " (counted(check.findings.len(), "self-check", "self-checks")) " in order" }
                } @else {
                    @for doubt in doubts { span.doubt { b { (doubt.name) } ": " (doubt.text) } }
                }
            }
            ul {
                @for finding in &check.findings {
                    li {
                        span.badge.(validity_class(finding.validity)) { (finding.validity.word()) }
                        " " b { (finding.name) } ": " (finding.text)
                    }
                }
            }
        }
    }
}

/// The edit point's files as they ran.
pub(crate) fn sources(files: &[SourceFile]) -> Markup {
    html! {
        @for file in files {
            figure.source {
                figcaption { code { (file.path) } }
                pre tabindex="0" {
                    code { @for line in file.text.lines() { span.l { (line) "\n" } } }
                }
            }
        }
        @if files.is_empty() { p.note { "No source was recorded." } }
    }
}

/// What happened when.
pub(crate) fn events(events: &[Event]) -> Markup {
    html! {
        @if events.is_empty() {
            p.note { "Nothing happened." }
        } @else {
            div.scroll {
                table.events {
                    thead { tr { th.n scope="col" { "At" } th colspan="2" scope="col" { "What" } } }
                    tbody {
                        @for event in events {
                            tr {
                                td.n { (after_start(event.t_s)) }
                                td { span.tag { (event_name(event.kind)) } }
                                td { (event.text) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn after_start(t_s: f64) -> String {
    if t_s < 0.0 {
        format!("{} before the load", seconds(-t_s))
    } else {
        seconds(t_s)
    }
}

/// Time, machine and versions.
pub(crate) fn machine(run: &Run) -> Markup {
    let host = &run.host;
    html! {
        dl.facts {
            dt { "Run" } dd { code { (run.run_id) } }
            dt { "Started" } dd { time datetime=(run.started_at) { (moment(run.started_at)) } }
            dt { "Lasted" } dd {
                (seconds(run.duration_s))
                @if run.ended_early.is_some() { " (ended early)" }
                @else if !run.complete { " (cut short)" }
            }
            dt { "Code" } dd { (run.code) }
            dt { "Platform" } dd { (run.platform) }
            dt { "Load from" } dd { (load(run)) }
            @if let Some(target) = &run.target {
                dt { "Addresses" } dd {
                    @for address in &target.addresses { (use_of(address)) br; }
                }
                @if let Some(seen) = &target.handshakes {
                    dt { "TLS handshakes" } dd {
                        (seen.count) ", p50 " (duration(seen.p50_ms)) ", longest " (duration(seen.max_ms))
                    }
                }
            }
            dt { "Machine" } dd {
                (host.os) " " (host.kernel) ", " (host.arch) ", " (counted(host.cores, "core", "cores"))
            }
            @for (name, version) in &run.versions {
                dt { (name) } dd { (version) }
            }
        }
    }
}

/// What an address of the target was used for.
fn use_of(of: &Address) -> String {
    if let Some(why) = &of.left_out {
        return format!(
            "{}: left out, since it takes no connection: {why}",
            of.address
        );
    }
    let requests = counted(of.requests as usize, "request", "requests");
    let refused = match of.refused {
        0 => String::new(),
        refused => format!(
            ", {} not taken",
            counted(refused as usize, "connection", "connections")
        ),
    };
    format!("{}: {requests}{refused}", of.address)
}

/// Which way the load took.
fn load(run: &Run) -> String {
    let pods = &run.load_pods;
    let in_pods: usize = pods.iter().map(|pod| pod.loops.len()).sum();
    let loops = match run.send_loops.len() + in_pods {
        // As a rule each sends in one loop; older data doesn't say.
        loops if loops <= pods.len().max(1) => String::new(),
        loops => format!(", sent by {loops} loops that share the schedule"),
    };
    if pods.is_empty() {
        format!("this machine{loops}")
    } else {
        let pods = counted(pods.len(), "load pod", "load pods");
        format!("{pods} in the cluster, straight to the services' addresses{loops}")
    }
}

/// The scenario's file, with its numbers and where they come from.
pub(crate) fn scenario(run: &Run) -> Markup {
    let scenario = &run.scenario;
    html! {
        p { (scenario.summary) }
        dl.facts {
            @for path in &scenario.edit { dt { "Edit point" } dd { code { (path) } } }
            @for class in &run.classes {
                dt { (class.name) } dd {
                    code { (class.request) } ", objective " (duration(class.slo_ms))
                    @if class.bystander { ", bystander" }
                }
            }
            @for phase in &run.phases {
                dt { "Phase " (phase.name) } dd {
                    (seconds(phase.start_s)) " to " (seconds(phase.end_s))
                    @if let Some(fault) = &phase.fault { ": " (fault) }
                }
            }
        }
        details {
            summary { "The scenario file" }
            pre tabindex="0" { code { (scenario.toml) } }
        }
    }
}
