//! Where the participant is, whatever the folder of reports and the edit points are like.

use std::{fs, path::Path, process::Command};

use crate::support::{driver, project, text};

const CASE: &str = "lab-services/src/cases/timeouts.rs";
const JOURNAL: &str = concat!(
    r#"{"line":"started","run_id":"20261123T151302Z-4f2a","scenario":"timeouts","code":"mine","planned_s":40.0}"#,
    "\n",
    r#"{"line":"finished","outcome":"fail","score":41}"#,
    "\n"
);

fn status(project: &Path, more: &[&str]) -> Command {
    let mut command = driver(&[&["status"], more].concat());
    command.current_dir(project);
    command
}

fn said(project: &Path) -> String {
    let output = status(project, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    text(&output)
}

/// A run's folder with this in its files.
fn run(project: &Path, id: &str, journal: &str, data: &str) {
    let folder = project.join("reports/timeouts").join(id);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("events.jsonl"), journal).unwrap();
    fs::write(folder.join("data.json"), data).unwrap();
}

/// A project in which nothing was done yet.
fn fresh() -> tempfile::TempDir {
    let project = project();
    for scenario in driver::scenario::steps().unwrap() {
        for file in scenario.edit {
            let file = project.path().join(file);
            fs::copy(lab_record::beside(&file, "starter"), file).unwrap();
        }
    }
    project
}

#[test]
fn at_first_it_says_where_to_begin() {
    let project = fresh();
    let said = said(project.path());
    assert!(
        said.starts_with("1  Timeouts            not run yet\n"),
        "{said}"
    );
    assert!(
        said.contains(&format!("\n    {CASE}: the starter\n")),
        "{said}"
    );
    assert!(
        said.contains("\nNext: Step 1, Timeouts: make step1 as it is, to see it fail.\n"),
        "{said}"
    );
    assert!(
        said.contains("make catchup3") && !said.contains('\u{1b}'),
        "{said}"
    );
}

#[test]
fn what_is_damaged_is_named_and_all_else_is_told() {
    let project = fresh();
    run(
        project.path(),
        "20261123T151302Z-4f2a",
        JOURNAL,
        "{\"schema\": 3}\n",
    );
    let cut = JOURNAL.replace("151302Z", "141302Z");
    run(
        project.path(),
        "20261123T141302Z-4f2a",
        &cut,
        "{\"schema\": 3,",
    );
    fs::write(project.path().join(CASE), "// mine\n").unwrap();
    let solved = status(project.path(), &[]).arg("--json").output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&solved.stdout).unwrap();
    let step = &json["steps"][0];
    assert_eq!(
        (&step["runs"], &step["best"]),
        (&2.into(), &41.into()),
        "{json:#}"
    );
    assert_eq!(step["latest"]["outcome"], "fail");
    assert_eq!(step["edits"][0]["text"], "yours");
    assert_eq!(step["damaged"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&json["format"], &json["next_step"]),
        (&1.into(), &1.into())
    );

    let said = said(project.path());
    for line in [
        "1  Timeouts            FAIL 41, best 41, 2 runs\n",
        "damaged reports/timeouts/20261123T151302Z-4f2a: its data.json is not the data of a run: missing field `run_id`",
        "damaged reports/timeouts/20261123T141302Z-4f2a: its data.json is cut off or none\n",
        "\nNext: Step 1, Timeouts: mend the marked place, then make step1 again.\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// A command that must do what it should.
fn done(project: &Path, command: &[&str]) {
    let ended = driver(command).current_dir(project).status().unwrap();
    assert!(ended.success(), "{command:?}");
}

#[test]
fn texts_that_were_taken_away_are_counted_and_the_way_back_is_next() {
    let project = fresh();
    run(
        project.path(),
        "20261123T151302Z-4f2a",
        JOURNAL,
        "{\"schema\": 3}\n",
    );
    fs::write(project.path().join(CASE), "// mine\n").unwrap();
    done(project.path(), &["solve", "1"]);
    let said = said(project.path());
    for line in [
        &*format!("    {CASE}: the reference; 1 saved\n"),
        "1 text of yours is saved: make restore lists them\n",
        "make step1 with the reference in place, to see it hold; make restore has your own text.\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn the_references_of_a_catch_up_are_not_the_next_step() {
    let project = fresh();
    done(project.path(), &["catchup", "3"]);
    let said = said(project.path());
    assert!(
        said.contains("\nNext: Step 3, Bulkheads: make step3 as it is, to see it fail.\n"),
        "{said}"
    );
}
