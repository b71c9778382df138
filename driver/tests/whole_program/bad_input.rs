//! Wrong input gets a sentence that names it, and an exit code of its own.

use std::{fs, net::TcpListener};

use crate::support::{driver, root, run_of, scenario, text, turn};

/// The exit code and the text of a call that must be refused.
fn refused(arguments: &[&str]) -> String {
    let output = driver(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let text = text(&output);
    says_nothing_twice(&text);
    text
}

/// No part of a sentence is there twice: an error that has its cause in its message and as its source would be.
fn says_nothing_twice(text: &str) {
    let mut parts: Vec<&str> = text
        .split(['\n', ';', ':'])
        .map(str::trim)
        // A word or a path may well be.
        .filter(|part| part.contains(' '))
        .collect();
    let all = parts.len();
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), all, "{text}");
}

#[test]
fn an_error_tells_its_cause_once() {
    // A target is looked for once it is this run's turn.
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let file = path("mine.toml");
    fs::write(&file, "name =").unwrap();
    let own = root().join("driver/scenarios/own-service.toml");
    let own = own.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let reports = path("reports");
    fs::write(&reports, "in the way").unwrap();
    let cause = |arguments: &[&str], says: &str| {
        let text = refused(arguments);
        assert_eq!(text.matches(says).count(), 1, "{text}");
    };
    let missing = path("missing.toml");
    cause(&["run", "--scenario-file", &missing], "No such file");
    cause(&["run", "--scenario-file", &file], "TOML parse error");
    let target = |url| ["run", "--scenario-file", own, "--target", url];
    cause(&target(&nobody), "Connection refused");
    cause(&target("http://no-such-host.invalid"), "--target");
    cause(&target("http://[::1"), "IPv6");
    cause(
        &["compare", "abcd", "ef01", "--reports", &reports],
        "no run",
    );
    cause(&["clean-reports", "--keep", "many"], "invalid digit");
    cause(
        &["run", "timeouts", "--platform", "k3d", "--namespace", "a b"],
        "can't be the name",
    );
}

#[test]
fn an_unknown_scenario_lists_those_there_are() {
    let text = refused(&["run", "chaos"]);
    assert!(text.contains("unknown scenario `chaos`"), "{text}");
    assert!(
        text.contains("timeouts, tx, bulkheads, autoscale"),
        "{text}"
    );
}

#[test]
fn an_unknown_step_lists_those_there_are() {
    for command in ["run", "solve"] {
        let text = refused(&[command, "9"]);
        let known = "unknown step 9; there are 1 (timeouts), 2 (tx), 3 (bulkheads), 4 (autoscale)";
        assert!(text.contains(known), "{text}");
    }
}

#[test]
fn an_unknown_code_lists_those_there_are() {
    let text = refused(&["run", "timeouts", "--code", "yours"]);
    assert!(text.contains("unknown code `yours`"), "{text}");
}

#[test]
fn a_scenario_that_asks_what_nothing_starts_is_refused() {
    let _turn = turn();
    let own = root().join("driver/scenarios/own-service.toml");
    let text = refused(&["run", "--scenario-file", own.to_str().unwrap()]);
    assert!(
        text.contains("class `reads` of own-service asks `api`"),
        "{text}"
    );
    assert!(text.contains("`[services.api]`"), "{text}");
    assert!(text.contains("--target URL"), "{text}");
}

#[test]
fn load_pods_need_a_cluster() {
    let text = refused(&["run", "timeouts", "--platform", "local", "--load-pods", "2"]);
    assert!(text.contains("--load-pods is for a cluster"), "{text}");
}

#[test]
fn platforms_that_are_not_there_say_so() {
    let _turn = turn();
    let nowhere = [
        "run",
        "timeouts",
        "--platform",
        "k3d",
        "--context",
        "no-such-context",
    ];
    let text = refused(&nowhere);
    assert!(
        text.contains("make up PLATFORM=k3d") || text.contains("kubectl does not start"),
        "{text}"
    );
    assert!(refused(&["up", "--platform", "k3d"]).contains("scripts/cluster.sh up"));
    assert!(
        refused(&["run", "timeouts", "--platform", "moon"]).contains("unknown platform `moon`")
    );
}

#[test]
fn a_scenario_file_with_a_mistake_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let good = fs::read_to_string(scenario("short")).unwrap();
    fs::write(&file, good.replace("rate = \"20/s\"", "rate = \"-20/s\"")).unwrap();
    let text = refused(&["run", "--scenario-file", file.to_str().unwrap()]);
    let before = good.lines().take_while(|line| !line.contains("20/s"));
    let line = format!("line {}", before.count() + 1);
    assert!(text.contains("mine.toml") && text.contains(&line), "{text}");
    assert!(text.contains("`-20/s` is not a rate"), "{text}");
}

#[test]
fn outside_of_the_project_it_says_where_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let output = driver(&["run", "timeouts"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("cd into it"), "{}", text(&output));
}

#[test]
fn a_run_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().to_str().unwrap();
    let text = refused(&["compare", "abcd", "ef01", "--reports", reports]);
    assert!(text.contains("no run `abcd`"), "{text}");
}

#[test]
fn a_reports_folder_that_cannot_be_written_is_named() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().join("reports");
    // A file where the folder should be: also root can't write below it.
    fs::write(&reports, "in the way").unwrap();
    let output = run_of("short", &reports).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains(reports.to_str().unwrap()),
        "{}",
        text(&output)
    );
    assert_eq!(fs::read_to_string(&reports).unwrap(), "in the way");
}

#[test]
fn a_corrupt_and_a_foreign_run_are_listed_and_left_alone() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let put = |id: &str, text: &str| {
        let run = folder.path().join("short").join(id);
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("data.json"), text).unwrap();
        run.join("data.json")
    };
    let corrupt = put("20260101T000000Z-0001", "{ half");
    let foreign = put(
        "20260101T000000Z-0002",
        r#"{"schema": 999, "who": "somebody else"}"#,
    );
    let output = run_of("short", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let index = fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert!(index.contains("20260101T000000Z-0001") && index.contains("20260101T000000Z-0002"));
    assert_eq!(fs::read_to_string(corrupt).unwrap(), "{ half");
    assert!(
        fs::read_to_string(foreign)
            .unwrap()
            .contains("somebody else")
    );
}

#[test]
fn a_guess_is_a_number_and_for_a_scenario_that_asks() {
    for wrong in ["80%", "1,5", "many", "-3", "nan", "inf", ""] {
        let text = refused(&["run", "1", &format!("--guess={wrong}")]);
        assert!(text.contains("a number from 0 up"), "{wrong}: {text}");
    }
    let own = root().join("driver/scenarios/own-service.toml");
    let own = own.to_str().unwrap();
    let text = refused(&["run", "--scenario-file", own, "--guess", "80"]);
    assert!(
        text.contains("asks nothing that --guess could answer"),
        "{text}"
    );
}
