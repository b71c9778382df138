//! What a page says of the reader's own, as it changes under an open page: the file, the figures, the summary.

use std::fs;

use super::{
    attack::Guide,
    book,
    chromium::{Chromium, Tab},
    text,
};

/// A tab at a page, with the right to see what changes.
fn with_session(browser: &Chromium, guide: &Guide, page: &str) -> Tab {
    let mut tab = browser.tab();
    tab.go(&guide.link());
    tab.wait("the session", "sessionStorage.getItem('lab-session')");
    book::visit(&mut tab, guide, page);
    tab
}

#[test]
fn a_saved_edit_and_a_run_are_in_the_page_without_a_reload() {
    let name = "a_saved_edit_and_a_run_are_in_the_page_without_a_reload";
    let Some(browser) = Chromium::find(name) else {
        return;
    };
    let guide = book::guide();
    let mut tab = with_session(&browser, &guide, "step2-tx.html");
    tab.eval("window.same = true");
    let figures = "document.querySelector('.lab-printed')";
    assert_eq!(tab.eval(&format!("{figures}.open")), true);
    assert_eq!(
        tab.eval(&format!("{figures}.textContent.includes('9.91')")),
        true
    );
    let edit = text(".lab-edit");
    tab.wait(
        "the starter",
        &format!("{edit}.includes('as the step begins')"),
    );

    let file = guide.path("lab-services/src/cases/tx.rs");
    let starter = fs::read_to_string(&file).expect("the edit point");
    fs::write(&file, format!("{starter}\n// Mine, and <b>not bold</b>.\n")).expect("saved");
    tab.wait(
        "the diff, with its colours",
        "[...document.querySelectorAll('.lab-edit .hljs-addition')]\
         .some(line => line.textContent.includes('<b>not bold</b>'))",
    );
    fs::remove_dir_all(guide.path("reports")).expect("the runs go");
    tab.wait("folded figures", &format!("!{figures}.open"));
    assert_eq!(tab.eval("window.same"), true, "the page came again");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn the_summary_is_on_the_last_page_and_on_paper() {
    let Some(browser) = Chromium::find("the_summary_is_on_the_last_page_and_on_paper") else {
        return;
    };
    let guide = book::guide();
    let mut tab = with_session(&browser, &guide, "wrap-up.html");
    let summary = text(".lab-summary");
    tab.wait("the summary", &format!("{summary}.includes('51 → 100')"));
    tab.print();
    let height = "document.querySelector('.lab-summary').getBoundingClientRect().height";
    let height = tab.eval(height).as_f64().expect("a height");
    // A page of A4 is 1,123 CSS pixels high.
    assert!((100.0..900.0).contains(&height), "{height}");
    let after = "getComputedStyle(document.querySelector('.lab-summary')).breakAfter";
    assert_eq!(tab.eval(after), "page");
}

#[test]
fn prompts_and_the_first_page_have_the_readers_numbers_as_they_change() {
    let name = "prompts_and_the_first_page_have_the_readers_numbers_as_they_change";
    let Some(browser) = Chromium::find(name) else {
        return;
    };
    let guide = book::guide();
    let mut tab = with_session(&browser, &guide, "agent-prompts.html");
    tab.eval("window.same = true");
    // What the button copies.
    let of_tx = "[...document.querySelectorAll('.lab-prompt pre code')]\
                 .map(code => code.textContent).find(text => text.includes('scenario `tx`'))";
    tab.wait("a pass", &format!("{of_tx}.includes('every check holds')"));
    let newest = guide.path("reports/tx/20261124T042658Z-edbf");
    fs::remove_dir_all(newest).expect("the run goes");
    tab.wait(
        "what fails in the run before",
        &format!("{of_tx}.includes('these checks do not hold:\\n- ')"),
    );
    assert_eq!(tab.eval("window.same"), true, "the page came again");

    book::visit(&mut tab, &guide, "index.html");
    tab.eval("window.same = true");
    let standing = text(".lab-standing");
    tab.wait("the run", &format!("{standing}.includes('FAIL 51')"));
    let file = guide.path("lab-services/src/cases/tx.rs");
    fs::write(file, "// Mine.\n").expect("saved");
    tab.wait(
        "whose text it is",
        &format!("{standing}.includes('tx.rs: yours')"),
    );
    fs::remove_dir_all(guide.path("reports")).expect("all runs go");
    tab.wait("no run", &format!("!{standing}.includes('FAIL 51')"));
    assert_eq!(tab.eval("window.same"), true, "the page came again");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
