//! What a run that goes well leaves and says.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{data, driver, journal, root, run_of, text, turn};

#[test]
fn a_run_leaves_data_that_adds_up() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let output = run_of("short", folder.path())
        .arg("--strict")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let line = String::from_utf8_lossy(&output.stdout);
    assert!(line.starts_with("SCORE short 100/100 PASS"), "{line}");
    let data = data(folder.path(), "short");
    let counts = &data["classes"][0]["total"]["counts"];
    assert_eq!(counts["offered"], 40);
    assert_eq!(counts["ok"], 40);
    assert_eq!(data["complete"], true);
    assert_eq!(data["verdict"]["outcome"], "pass");
}

#[test]
fn a_guess_is_kept_with_the_run_that_answers_it() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.toml");
    let short = fs::read_to_string(crate::support::scenario("short")).unwrap();
    let asking = short.replace(
        "headline =",
        "edit = [\"lab-services/src/cases/timeouts.rs\"]\nheadline =",
    );
    let asking = asking.replace(
        "duration = \"2s\"",
        "duration = \"2s\"\nfault = { text = \"some hang\", dep = { hang_every = 5, hang = \"1s\" } }",
    );
    let guess = "\n[guess]\nquestion = \"How many?\"\nunit = \"%\"\ncheck = \"good\"\n\
                 law = { fill = { class = \"local\", phase = \"only\" } }\ndiffers = \"It does not.\"\n";
    fs::write(&file, asking + guess).unwrap();
    let run = |code: &str| {
        let reports = folder.path().join(code);
        let output = driver(&["run", "--guess", "42.5", "--code", code, "--scenario-file"])
            .arg(&file)
            .arg("--reports")
            .arg(&reports)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        (text(&output), data(&reports, "short")["guess"].clone())
    };
    let (said, kept) = run("starter");
    // 20/s ÷ 5 × 1 s = 4 of 16 slots.
    let line = "you said 42.5 %, the law says 100 %, it was 100 %";
    assert!(said.contains(line), "{said}");
    assert_eq!(kept["guessed"], 42.5);
    assert_eq!(kept["measured"]["value"], 100.0);
    let (said, kept) = run("solved");
    assert!(said.contains("your guess is about the starter"), "{said}");
    assert!(kept.is_null(), "{kept}");
}

#[test]
fn json_on_standard_output_is_the_journal() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let output = run_of("short", folder.path())
        .arg("--json")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let journal = journal(folder.path(), "short").unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), journal);
    for kind in ["started", "tick", "event"] {
        assert!(
            journal.contains(&format!(r#"{{"line":"{kind}""#)),
            "{journal}"
        );
    }
    let last = journal.lines().last().unwrap();
    assert_eq!(
        last,
        r#"{"line":"finished","outcome":"pass","score":100,"validity":"valid"}"#
    );
}

/// Every file with this ending below a folder, with its bytes.
fn files(folder: &Path, ending: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}

/// A schema of the format's folder.
struct Schema {
    all: boon::Schemas,
    this: boon::SchemaIndex,
}

impl Schema {
    fn read(name: &str) -> Self {
        let file = root().join("driver/record/schema").join(name);
        let text = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let (mut all, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource(name, text).unwrap();
        let this = compiler.compile(name, &mut all).unwrap();
        Self { all, this }
    }

    fn takes(&self, text: &[u8]) -> Result<(), String> {
        let value = serde_json::from_slice(text).unwrap();
        self.all
            .validate(&value, self.this)
            .map_err(|error| format!("{error:#}"))
    }
}

#[test]
fn what_runs_leave_fits_the_schemas_and_makes_their_pages_again() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = run_of("short", folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
    let (run, line) = (
        Schema::read("data.schema.json"),
        Schema::read("event.schema.json"),
    );
    assert!(run.takes(b"{}").is_err() && line.takes(b"{}").is_err());
    for data in files(folder.path(), "data.json").values() {
        run.takes(data).unwrap();
    }
    for journal in files(folder.path(), "events.jsonl").values() {
        for text in journal
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            line.takes(text).unwrap();
        }
    }

    let pages = files(folder.path(), ".html");
    // Two reports, their comparison and the index.
    assert_eq!(pages.len(), 4, "{:?}", pages.keys());
    for page in pages.keys() {
        fs::remove_file(page).unwrap();
    }
    let output = driver(&["report", "--reports"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let again = files(folder.path(), ".html");
    assert!(
        again == pages,
        "the pages differ from those that the runs wrote"
    );
}

#[test]
fn runs_in_turn_make_two_groups_that_are_compared_by_the_run() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let output = run_of("short", folder.path())
        .args(["--repeat", "2", "--against", "starter"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("A: starter, 2 runs: 2 PASS, 0 FAIL"),
        "{said}"
    );
    assert!(said.contains("B: mine, 2 runs: 2 PASS, 0 FAIL"), "{said}");
    assert!(said.contains("too few to call it a difference"), "{said}");

    let mut ids: Vec<(String, String)> = files(folder.path(), "data.json")
        .values()
        .map(|data| {
            let run: serde_json::Value = serde_json::from_slice(data).unwrap();
            let of = |key: &str| run[key].as_str().unwrap().to_owned();
            (of("run_id"), of("code"))
        })
        .collect();
    ids.sort();
    let codes: Vec<&str> = ids.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(codes, ["starter", "mine", "starter", "mine"]);

    let group = |from: usize| format!("{},{}", ids[from].0, ids[from + 2].0);
    let mut compare = driver(&["compare", &group(0), &group(1), "--reports"]);
    let output = compare.arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let page = format!("compare/groups-{}--{}.html", ids[0].0, ids[3].0);
    assert!(text(&output).contains(&page), "{}", text(&output));
    assert!(folder.path().join(page).is_file());
}
