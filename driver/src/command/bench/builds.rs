//! What builds take: from nothing, after an edit, and where nothing has changed.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lab_report::Row;
use lab_say::note;
use serde::Deserialize;

use super::{Edit, Session};
use crate::interrupt::Interrupted;

const GROUP: &str = "Builds";

/// What the first run builds: see `scripts/run.sh`.
const FIRST_RUN: &[&str] = &["--bin", "driver", "--bin", "lab"];
/// What the guide builds after it: the guide, and what its pages and buttons start.
const REST: &[&str] = &[];
/// What a run builds after an edit.
const SERVICES: &[&str] = &["--bin", "lab"];

/// One build.
struct Built {
    took: Duration,
    /// Libraries and programs that were compiled.
    compiled: usize,
    /// Those, and what was fresh.
    of: usize,
}

/// The part of cargo's messages that tells what was compiled.
#[derive(Deserialize)]
struct Message {
    reason: String,
    fresh: Option<bool>,
}

/// Where all is built already, as it is on the day.
pub(super) async fn warm(session: &Session) -> Result<Vec<Row>> {
    build(session, None, REST).await?;
    let again = build(session, None, REST).await?;
    Ok(vec![again.unchanged("everything again, unchanged")])
}

/// Builds in a folder that is empty at first, from crates that are fetched already.
pub(super) async fn cold(session: &Session) -> Result<Vec<Row>> {
    note!("builds from nothing, which take some minutes …");
    let built = session.root.join("target");
    std::fs::create_dir_all(&built).with_context(|| format!("can't create {}", built.display()))?;
    // Not where temporary files are, which may be memory.
    let folder = tempfile::tempdir_in(&built)
        .with_context(|| format!("can't create a folder in {}", built.display()))?;
    let target = Some(folder.path());
    let run = build(session, target, FIRST_RUN).await?;
    let rest = build(session, target, REST).await?;
    let again = build(session, target, REST).await?;
    let mut edit = Edit::of(&session.root)?;
    let mut edits = Vec::new();
    for round in 0..2 {
        edit.change(round)?;
        edits.push(build(session, target, SERVICES).await?);
    }
    Ok(vec![
        run.within("from nothing, what the first run needs", 100.0),
        rest.within("the guide and the examples after that", 45.0),
        again.unchanged("all of it again, unchanged"),
        edits[0].figure("after the first edit of a case"),
        edits[1].figure("after another"),
    ])
}

async fn build(session: &Session, target: Option<&Path>, what: &[&str]) -> Result<Built> {
    let mut command = tokio::process::Command::new("cargo");
    command
        .args(["build", "--offline", "--profile", "lab"])
        .arg("--message-format=json-render-diagnostics")
        .args(what)
        .envs(target.map(|folder| ("CARGO_TARGET_DIR", folder)))
        .current_dir(&session.root)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let begun = Instant::now();
    let child = command.spawn().context("can't start cargo")?;
    let output = tokio::select! {
        output = child.wait_with_output() => output?,
        () = session.interrupt.cancelled() => bail!(Interrupted),
    };
    let took = begun.elapsed();
    ensure!(
        output.status.success(),
        "a build to be measured failed, see above; `make prefetch` fetches the crates"
    );
    let (compiled, of) = count(&output.stdout);
    Ok(Built { took, compiled, of })
}

/// How many were compiled, and how many there are, by cargo's messages.
fn count(messages: &[u8]) -> (usize, usize) {
    let fresh: Vec<bool> = messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter_map(|message| message.fresh)
        .collect();
    let compiled = fresh.iter().filter(|fresh| !**fresh).count();
    (compiled, fresh.len())
}

impl Built {
    fn figure(&self, name: &str) -> Row {
        let seconds = self.took.as_secs_f64();
        let figure = format!(
            "{seconds:.1} s, {} of {} parts compiled",
            self.compiled, self.of
        );
        Row::figure(GROUP, name, figure)
    }

    fn within(&self, name: &str, seconds: f64) -> Row {
        self.figure(name).bar(
            format!("≤ {seconds:.0} s"),
            self.took.as_secs_f64() <= seconds,
        )
    }

    fn unchanged(&self, name: &str) -> Row {
        let nothing = self.compiled == 0 && self.of > 0;
        self.figure(name).bar("0 compiled", nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is built of the project, with nothing in it.
    const PROJECT: [(&str, &str); 8] = [
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"driver\", \"lab-services\", \"rest\"]\nresolver = \"3\"\n\
             [profile.lab]\ninherits = \"dev\"\n",
        ),
        ("driver/Cargo.toml", "[package]\nname = \"driver\"\n"),
        ("driver/src/main.rs", "fn main() {}"),
        ("rest/Cargo.toml", "[package]\nname = \"rest\"\n"),
        ("rest/src/lib.rs", ""),
        (
            "lab-services/Cargo.toml",
            "[package]\nname = \"lab\"\n[[bin]]\nname = \"lab\"\npath = \"src/main.rs\"\n",
        ),
        (
            "lab-services/src/main.rs",
            "#[path = \"cases/timeouts.rs\"]\nmod timeouts;\nfn main() {\n    timeouts::run();\n}\n",
        ),
        (
            "lab-services/src/cases/timeouts.rs",
            "pub fn run() {\n    println!();\n}\n",
        ),
    ];

    #[tokio::test]
    async fn a_project_is_built_from_nothing_then_again_and_after_edits() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in PROJECT {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let session = Session {
            root: root.path().to_owned(),
            interrupt: tokio_util::sync::CancellationToken::new(),
        };
        let compiled = |rows: Vec<Row>| {
            let figures = rows.into_iter().map(|row| row.figure);
            let parts = figures.map(|figure| figure.split_once(" s, ").unwrap().1.to_owned());
            parts.collect::<Vec<_>>()
        };
        let parts = |counts: &[&str]| {
            let counts = counts.iter().map(|count| format!("{count} parts compiled"));
            counts.collect::<Vec<_>>()
        };
        let cold = compiled(cold(&session).await.unwrap());
        assert_eq!(
            cold,
            parts(&["2 of 2", "1 of 3", "0 of 3", "1 of 1", "1 of 1"])
        );
        assert_eq!(compiled(warm(&session).await.unwrap()), parts(&["0 of 3"]));
        let text = std::fs::read_to_string(root.path().join(super::super::EDITED)).unwrap();
        assert_eq!(text, PROJECT[7].1);
        let left = std::fs::read_dir(root.path().join("target")).unwrap();
        let left = left.filter(|entry| entry.as_ref().unwrap().file_name() != "lab");
        assert!(left.flatten().all(|entry| entry.path().is_file()));
    }

    #[test]
    fn what_cargo_compiled_is_told_from_what_was_fresh() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","fresh":true}"#,
            "\n",
            r#"{"reason":"build-script-executed"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","fresh":false}"#,
            "\n",
            r#"{"reason":"compiler-artifact","fresh":true}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        );
        assert_eq!(count(messages.as_bytes()), (1, 3));
    }

    #[test]
    fn only_a_build_that_compiles_nothing_is_unchanged() {
        let holds = |compiled, of| {
            let took = Duration::ZERO;
            Built { took, compiled, of }.unchanged("again").holds
        };
        assert_eq!(holds(0, 3), Some(true));
        assert_eq!(holds(1, 3), Some(false));
        // A message that cargo tells otherwise one day.
        assert_eq!(holds(0, 0), Some(false));
    }
}
