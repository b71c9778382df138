//! Why a comparison should be read with care.

use lab_record::{Run, SelfCheck, Validity};

use crate::words::number::{counted, seconds};

/// A sentence for each reason.
pub(super) fn cautions(a: &Run, b: &Run) -> Vec<String> {
    let mut cautions = Vec::new();
    let mut differ = |what: &str, a: &str, b: &str| {
        if a != b {
            cautions.push(format!("The {what} differs: A {a}, B {b}."));
        }
    };
    differ("scenario", &a.scenario.name, &b.scenario.name);
    differ("platform", &a.platform, &b.platform);
    let machine = |run: &Run| {
        let host = &run.host;
        let cores = counted(host.cores, "core", "cores");
        format!("{} {} with {cores}", host.os, host.arch)
    };
    differ("machine", &machine(a), &machine(b));
    for (name, run) in [("A", a), ("B", b)] {
        if !run.complete {
            let after = seconds(run.duration_s);
            cautions.push(format!("{name} was cut short after {after}."));
        }
        if run.self_check.validity != Validity::Valid {
            cautions.push(format!(
                "The measurement of {name} is {}.",
                doubts(&run.self_check)
            ));
        }
    }
    cautions
}

/// The validity in capitals and what spoke against it.
fn doubts(check: &SelfCheck) -> String {
    let word = check.validity.word();
    let names: Vec<&str> = check
        .findings
        .iter()
        .filter(|finding| finding.validity != Validity::Valid)
        .map(|finding| finding.name.as_str())
        .collect();
    if names.is_empty() {
        word.to_owned()
    } else {
        format!("{word} ({})", names.join(", "))
    }
}
