//! Whether the workshop goes on without a network.

use std::{env, ffi::OsString, path::Path, process::Command};

use crate::platform::local::{Finding, State, cargo};

/// What `make prefetch` builds.
const PROGRAMS: [&str; 3] = ["driver", "lab", "mdbook-lab"];

/// The names of the two findings.
const CRATES: &str = "crates";
const BUILT: &str = "programs";

/// The crates, and what is made of them.
pub(super) fn findings(root: &Path) -> [Finding; 2] {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    [crates(root), programs(&root.join(target).join("lab"))]
}

fn crates(root: &Path) -> Finding {
    let fetched = Command::new(cargo())
        .args(["fetch", "--locked", "--offline", "--quiet"])
        .current_dir(root)
        .output();
    match fetched {
        Ok(output) if output.status.success() => Finding::new(
            CRATES,
            State::Ok,
            "all are on this machine: it needs no network",
        ),
        _ => {
            let text = "not all are on this machine: run `make prefetch` while there is a network";
            Finding::new(CRATES, State::Note, text)
        }
    }
}

/// Whether something is still to be fetched or built.
pub(super) fn wants_prefetch(findings: &[Finding]) -> bool {
    let mut ours = findings
        .iter()
        .filter(|finding| [CRATES, BUILT].contains(&finding.name));
    ours.any(|finding| finding.state != State::Ok)
}

fn programs(folder: &Path) -> Finding {
    let missing: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|program| !folder.join(program).is_file())
        .collect();
    if missing.is_empty() {
        return Finding::new(
            BUILT,
            State::Ok,
            "the driver, the services and the guide are built",
        );
    }
    let text = format!(
        "not built yet: {}. `make prefetch` builds them now; the first run takes some minutes else",
        missing.join(", ")
    );
    Finding::new(BUILT, State::Note, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lab"), "").unwrap();
        let found = programs(folder.path());
        assert_eq!(found.state, State::Note);
        assert!(
            found
                .text
                .starts_with("not built yet: driver, mdbook-lab. "),
            "{}",
            found.text
        );
    }

    #[test]
    fn crates_that_are_not_there_are_fetched_by_prefetch() {
        let project = tempfile::tempdir().unwrap();
        let found = crates(project.path());
        assert_eq!(found.state, State::Note);
        assert!(found.text.contains("make prefetch"), "{}", found.text);
    }
}
