//! `driver doctor`: what this machine has and lacks.

mod fitness;
mod offline;

use std::path::Path;

use anyhow::Result;
use clap::Args;
use console::style;
use lab_say::say;
use serde::Serialize;

use super::{Ended, Place};
use crate::{
    guide, host,
    platform::local::{Finding, State, preflight},
};

/// What to look at, and how to say it.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    place: Place,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
    /// Without the five seconds that tell whether the machine is quiet enough for runs
    #[arg(long)]
    quick: bool,
}

/// Everything, as programs get it.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// Of this shape.
    format: u32,
    ready: bool,
    /// The line to send to whoever asks how the machine is.
    summary: &'a str,
    findings: &'a [Finding],
}

pub(super) fn doctor(root: &Path, options: &Options) -> Result<Ended> {
    options
        .place
        .check_local("sh scripts/cluster.sh preflight")?;
    let mut findings = preflight(root);
    findings.extend(offline::findings(root));
    if !options.quick {
        findings.push(fitness::finding());
    }
    let ready = findings.iter().all(|finding| finding.state != State::Lacks);
    let summary = summary(&findings);
    if options.json {
        let told = Told {
            format: 1,
            ready,
            summary: &summary,
            findings: &findings,
        };
        say!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        tell(&findings, &summary);
        if ready {
            let reports = options.place.reports(root);
            let next = if offline::wants_prefetch(&findings) {
                "make prefetch, then make book".to_owned()
            } else {
                guide::next(root, &reports)?.to_string()
            };
            say!("This machine is ready. Next: {next}");
        }
    }
    Ok(if ready { Ended::Well } else { Ended::Failed })
}

fn tell(findings: &[Finding], summary: &str) {
    for finding in findings {
        let sign = match finding.state {
            State::Ok => style("ok    ").green(),
            State::Note => style("note  ").yellow(),
            State::Lacks => style("LACKS ").red(),
        };
        say!("{sign} {:14} {}", finding.name, finding.text);
    }
    say!("To send on: {summary}");
}

/// One line to paste to whoever asks: nothing of it names a person, a machine or a folder.
fn summary(findings: &[Finding]) -> String {
    let named = |state| {
        let of_state = findings.iter().filter(|finding| finding.state == state);
        of_state
            .map(|finding| finding.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut parts = vec![
        match named(State::Lacks) {
            lacks if lacks.is_empty() => "ready".to_owned(),
            lacks => format!("LACKS {lacks}"),
        },
        host_in_words(),
    ];
    let notes = named(State::Note);
    if !notes.is_empty() {
        parts.push(format!("see {notes}"));
    }
    format!(
        "lab {} preflight: {}",
        env!("CARGO_PKG_VERSION"),
        parts.join("; ")
    )
}

fn host_in_words() -> String {
    let host = host::host();
    format!("{} {}, {} cores", host.os, host.arch, host.cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_send_on_says_what_lacks_and_what_to_see() {
        let finding = |name, state| Finding::new(name, state, "/home/ada/workshop");
        let all = [
            finding("rust", State::Ok),
            finding("postgresql", State::Lacks),
            finding("binaries", State::Note),
        ];
        let line = summary(&all);
        assert!(line.contains("preflight: LACKS postgresql; "), "{line}");
        assert!(
            line.ends_with("; see binaries") && !line.contains("ada"),
            "{line}"
        );
        let line = summary(&all[..1]);
        assert!(
            line.contains("preflight: ready; ") && line.ends_with("cores"),
            "{line}"
        );
    }
}
