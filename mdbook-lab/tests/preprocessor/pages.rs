//! What becomes of the marks, renderer by renderer, and on the built page.

use std::fs;

use mdbook_lab::Guide;

use crate::project::{Project, pages};

#[test]
fn for_html_the_live_parts_are_in_the_pages() {
    insta::assert_snapshot!(pages(&Project::new().preprocess("html")));
}

#[test]
fn for_other_renderers_they_are_plain_markdown() {
    let project = Project::new();
    let written = pages(&project.preprocess("markdown"));
    assert!(!written.contains("<div"), "{written}");
    assert_eq!(written, pages(&project.preprocess("epub")));
    insta::assert_snapshot!(written);
}

#[test]
fn quoted_code_is_no_test_of_the_book() {
    let written = pages(&Project::new().preprocess("test"));
    assert_eq!(written.matches("```rust,ignore\n").count(), 3, "{written}");
}

#[test]
fn without_runs_a_page_says_how_to_make_one() {
    let project = Project::new();
    fs::remove_dir_all(project.root().join("reports")).expect("reports");
    let written = pages(&project.preprocess("html"));
    assert!(written.contains("<code>make step2</code> makes one"));
    assert!(written.contains("0 of 2 steps done"));
}

#[test]
fn a_run_that_is_half_written_or_broken_does_not_hide_the_one_before() {
    let project = Project::new();
    let folder = project.root().join("reports/tx/20261124T042658Z-edbf");
    for data in ["", "{", "{\"schema\": 99}"] {
        fs::write(folder.join("data.json"), data).expect("data");
        let written = pages(&project.preprocess("html"));
        assert!(written.contains("FAIL</strong> 51 of 100"), "{data:?}");
    }
    fs::remove_file(folder.join("data.json")).expect("data");
    assert!(pages(&project.preprocess("html")).contains("FAIL</strong> 51 of 100"));
}

#[test]
fn where_the_reader_stands_is_told_with_what_is_damaged() {
    let project = Project::new().append("book/index.md", "\n{{#lab standing}}\n");
    let torn = project.root().join("reports/tx/20261124T030000Z-0001");
    fs::create_dir(&torn).expect("a folder");
    fs::write(torn.join("data.json"), "{").expect("data");
    let saved = project
        .root()
        .join(".lab/saved/20261129T011646.000Z/lab-services/src/cases");
    fs::create_dir_all(&saved).expect("a folder");
    fs::write(saved.join("timeouts.rs"), "mine").expect("a text");
    let written = pages(&project.preprocess("html"));
    for text in [
        "<div class=\"lab-standing\" data-lab-slot=\"standing\">",
        "2. Transaction scope</a></td><td class=\"lab-unbroken\"><span class=\"lab-verdict lab-pass\">\
         <a href=\"../../reports/tx/20261124T042658Z-edbf/report.html\">PASS 100</a></span></td><td>100</td>",
        "<code>timeouts.rs</code>: yours; 1 saved",
        "<code>make restore</code> lists them",
        "Damaged: <code>reports/tx/20261124T030000Z-0001</code>: its events.jsonl is missing",
    ] {
        assert!(written.contains(text), "{text}: {written}");
    }
    let plain = pages(&project.preprocess("markdown"));
    assert!(
        plain.contains("\n2. Transaction scope: PASS 100, best 100"),
        "{plain}"
    );
}

#[test]
fn a_cancelled_run_takes_no_pass_back() {
    let project = Project::new();
    let runs = project.root().join("reports/tx");
    let before = pages(&project.preprocess("html"));
    let read = |file: &str| fs::read_to_string(runs.join("20261124T042658Z-edbf").join(file));
    let later = runs.join("20261124T050000Z-0001");
    fs::create_dir(&later).expect("a folder");
    for file in ["data.json", "events.jsonl"] {
        let text = read(file).expect(file);
        let text = text
            .replace("20261124T042658Z-edbf", "20261124T050000Z-0001")
            .replace(
                r#""outcome": "pass", "score": 100"#,
                r#""outcome": "cancelled", "score": null"#,
            )
            .replace(
                r#""outcome":"pass","score":100"#,
                r#""outcome":"cancelled","score":null"#,
            );
        assert!(text.contains("cancelled"), "{file}");
        fs::write(later.join(file), text).expect(file);
    }
    assert_eq!(pages(&project.preprocess("html")), before);
}

#[test]
fn a_run_is_shown_beside_the_starters_whatever_else_it_was_compared_with() {
    let project = Project::new();
    let reports = project.root().join("reports");
    let starter = reports.join("tx/20261124T042635Z-0d4a/data.json");
    let text = fs::read_to_string(&starter).expect("data");
    let before = pages(&project.preprocess("html"));
    let put = |id: &str, text: &str| {
        let folder = reports.join("tx").join(id);
        fs::create_dir(&folder).expect("a folder");
        let text = text.replace("20261124T042635Z-0d4a", id);
        fs::write(folder.join("data.json"), text).expect("data");
        let by_hand = format!("compare/{id}--20261124T042658Z-edbf.html");
        fs::write(reports.join(by_hand), "").expect("a page");
    };
    // An attempt before the starter's run is neither where the reader began nor the run before.
    let attempt = text.replace("\"starter\": true", "\"starter\": false");
    assert_ne!(attempt, text);
    put("20261124T030000Z-0001", &attempt);
    assert_eq!(pages(&project.preprocess("html")), before);
    // One after it is the run before, beside the starter's.
    put("20261124T042640Z-0002", &attempt);
    let both = pages(&project.preprocess("html"));
    let link =
        |id: &str, text: &str| format!("compare/{id}--20261124T042658Z-edbf.html\">{text}</a>");
    for link in [
        link("20261124T042635Z-0d4a", "Compared with where you began"),
        link("20261124T042640Z-0002", "Compared with the run before"),
    ] {
        assert!(both.contains(&link), "{link}: {both}");
    }
}

#[test]
fn a_doubt_stands_beside_the_verdict() {
    let project = Project::new();
    let data = project
        .root()
        .join("reports/tx/20261124T042658Z-edbf/data.json");
    let text = fs::read_to_string(&data).expect("data");
    let doubted = text.replace(
        r#""self_check": {"validity": "valid""#,
        r#""self_check": {"validity": "suspect""#,
    );
    assert_ne!(doubted, text);
    fs::write(&data, doubted).expect("data");
    let written = pages(&project.preprocess("html"));
    assert!(
        written.contains("PASS SUSPECT</strong> 100 of 100"),
        "{written}"
    );
}

#[test]
fn the_built_pages_have_them_in_their_main_part() {
    let project = Project::new();
    let built = tempfile::tempdir().expect("a folder");
    let guide = Guide::at(project.root()).expect("a guide");
    let declared = guide.build(built.path()).expect("a book");
    let actions: Vec<_> = declared.actions.iter().map(ToString::to_string).collect();
    assert_eq!(actions, ["step1", "step2", "example:deadline"]);
    let shown = ["index.html", "step1.html", "step2.html"].map(|page| {
        let html = fs::read_to_string(built.path().join(page)).expect(page);
        let html = guide.fill(&html);
        let (_, main) = html.split_once("<main>").expect("a main part");
        let (main, _) = main.split_once("</main>").expect("its end");
        format!("──── {page}\n{}\n", main.trim())
    });
    insta::assert_snapshot!(shown.concat());
}
