//! What a run that goes well leaves and says.

use crate::support::{data, journal, run_of, text, turn};

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
    assert_eq!(last, r#"{"line":"finished","outcome":"pass","score":100}"#);
}
