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
