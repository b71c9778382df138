//! What a page says of the reader's own: the file with its changes, the figures beside the printed ones, the summary.

use std::fs;

use mdbook_driver::MDBook;
use mdbook_lab::Lab;

use crate::project::{Project, pages};

const EDIT: &str = "\n{{#lab edit lab-services/src/cases/tx.rs}}\n";

#[test]
fn the_readers_own_file_is_shown_with_what_changed_in_it() {
    let project = Project::new().append("book/index.md", EDIT);
    let written = pages(&project.preprocess("html"));
    assert!(written.contains("what is different from where the step begins"));
    // A diff in one line of HTML, so that no blank line of the file ends it.
    let line = written.lines().find(|line| line.contains("language-diff"));
    let line = line.expect("a diff");
    assert!(line.contains("&#10;-// LAB: STEP2 TODO&#10;"), "{line}");
    assert!(line.contains("language-rust"), "{line}");

    let starter = project.root().join("lab-services/src/cases/starter/tx.rs");
    let text = fs::read_to_string(starter).expect("the starter");
    fs::write(project.root().join("lab-services/src/cases/tx.rs"), &text).expect("the edit point");
    let written = pages(&project.preprocess("html"));
    assert!(written.contains("yours, as the step begins"));
    assert!(!written.contains("language-diff"));
    let plain = pages(&project.preprocess("markdown"));
    assert!(
        plain.contains("```rust\n// LAB: STEP2 TODO\npub fn pay"),
        "{plain}"
    );
}

#[test]
fn a_static_book_has_it_line_by_line() {
    let project = Project::new().append("book/index.md", EDIT);
    let own = "fn a() {\n\n    let b = Vec::<u8>::new();\n}\n";
    fs::write(project.root().join("lab-services/src/cases/tx.rs"), own).expect("the edit point");
    let mut book = MDBook::load(project.root()).expect("a book");
    book.with_preprocessor(Lab::new());
    book.build().expect("built");
    let page = fs::read_to_string(project.root().join("target/book/index.html")).expect("the page");
    let shown = own.replace('<', "&lt;").replace('>', "&gt;");
    let (_, code) = page.split_once("language-rust\">").expect("the code");
    assert!(
        code.starts_with(shown.trim_end()),
        "{}",
        &code[..200.min(code.len())]
    );
}

#[test]
fn a_file_that_is_not_there_is_no_edit_point() {
    for path in ["lab-services/src/cases/none.rs", "../etc/passwd"] {
        let page = format!("\n{{{{#lab edit {path}}}}}\n");
        let flaws = Project::new()
            .append("book/index.md", &page)
            .preprocess("html")
            .refused();
        assert!(flaws.contains(path), "{flaws}");
    }
}

#[test]
fn the_summary_has_each_step_before_and_after() {
    let project = Project::new().append("book/index.md", "\n{{#lab summary}}\n");
    let written = pages(&project.preprocess("html"));
    let summary = written.lines().find(|line| line.contains("lab-summary"));
    let summary = summary.expect("a summary");
    for part in [
        "<td>9.91</td><td><strong>0</strong></td><td class=\"lab-unbroken\">51 → <strong>100</strong></td>",
        "To share: </strong>timeouts – → –, tx 51 → 100",
    ] {
        assert!(summary.contains(part), "{part} in {summary}");
    }
    let plain = pages(&project.preprocess("markdown"));
    assert!(
        plain.contains("2. Transaction scope: 9.91 → 0, score 51 → 100"),
        "{plain}"
    );
    fs::remove_dir_all(project.root().join("reports")).expect("reports");
    assert!(pages(&project.preprocess("html")).contains("nothing yet"));
}

/// A scenario file for the step, with what its starter measures.
const SCENARIO: &str = r#"
name = "tx"
step = 1
edit = ["lab-services/src/cases/tx.rs"]
[lesson]
title = "Transaction scope"
chapter = "step2.md"
part = "hour"
wrong = ""
bound = ""
measured = [{ check = "idle_in_transaction", starter = "9.90 to 9.91" }]
[[phases]]
duration = "16s"
[[checks]]
id = "idle_in_transaction"
title = "Connections idle in transaction"
kind = "mechanism"
limit = { at_most = "3" }
"#;

/// The project with its steps in a folder of scenarios.
fn with_scenario(page: &str) -> Project {
    let project = Project::new().append("book/step2.md", page).change(
        "book/step1.md",
        "{{#lab status timeouts}}",
        "",
    );
    let toml = project.root().join("book.toml");
    let text = fs::read_to_string(&toml).expect("book.toml");
    let (before, rest) = text
        .split_once("[[preprocessor.lab.steps]]")
        .expect("the steps");
    let (_, after) = rest.split_once("[output.html]").expect("the output");
    let scenarios = format!("{before}scenarios = \"scenarios\"\n\n[output.html]{after}");
    fs::write(toml, scenarios).expect("book.toml");
    fs::create_dir(project.root().join("scenarios")).expect("a folder");
    fs::write(project.root().join("scenarios/tx.toml"), SCENARIO).expect("the scenario");
    project
}

#[test]
fn printed_figures_are_folded_until_the_readers_own_stand_beside_them() {
    let project = with_scenario("\n{{#lab measured tx}}\n");
    let written = pages(&project.preprocess("html"));
    let table = written.lines().find(|line| line.contains("lab-printed"));
    let table = table.expect("the table");
    assert!(
        table.contains("<details class=\"lab-printed\" open>"),
        "{table}"
    );
    assert!(
        table.contains("<td>9.90 to 9.91</td><td><strong>9.91</strong></td><td>≤\u{a0}3</td>"),
        "{table}"
    );
    let plain = pages(&project.preprocess("markdown"));
    assert!(plain.contains("| Connections idle in transaction | mechanism | 9.90 to 9.91 |"));
    fs::remove_dir_all(project.root().join("reports")).expect("reports");
    let written = pages(&project.preprocess("html"));
    assert!(written.contains("<details class=\"lab-printed\"><summary>"));
    assert!(!written.contains("<th>yours</th>"));
}

#[test]
fn a_page_of_the_hour_that_takes_longer_than_it_says_is_found() {
    let flaws = |line: &str| {
        let page = format!("\n{line}\n\n{}\n", "word ".repeat(150));
        let said = with_scenario(&page).run(&["check"], "");
        said.err
    };
    let silent = flaws("no such line");
    assert!(
        silent.contains("does not say how long it takes"),
        "{silent}"
    );
    // Three runs of 26 s, four minutes for the code, and some two of reading.
    let long = flaws("*6 minutes.*");
    assert!(long.contains("it says 6 minutes and takes 6."), "{long}");
    let good = flaws("*8 minutes.*");
    assert!(!good.contains("minutes"), "{good}");
    let all = flaws("*61 minutes.*");
    assert!(
        all.contains("the pages of the hour say 61 minutes together"),
        "{all}"
    );
}
