//! A guess before a run, in the page: given, handed on and shown beside the law and the measurement; or left out.

use super::{open, text};

const FIELD: &str = "document.querySelector('.lab-guess input')";
const STEP: &str = "document.querySelector('.lab-run[data-lab-action=\"step2\"]')";

#[test]
fn a_guess_is_given_by_keyboard_and_shown_beside_law_and_measurement() {
    let name = "a_guess_is_given_by_keyboard_and_shown_beside_law_and_measurement";
    let Some((guide, browser, mut tab)) = open(name) else {
        return;
    };
    tab.wait("the field", &format!("!{FIELD}.closest('p').hidden"));
    assert_eq!(
        tab.eval("document.querySelector('.lab-guess-terminal').hidden"),
        true
    );
    // Kept, whatever becomes of the page.
    tab.eval(&format!("{FIELD}.focus()"));
    tab.type_text("80.5");
    let mut other = browser.tab();
    other.go(&format!("http://{}/", guide.host()));
    other.wait("the kept guess", &format!("{FIELD}?.value === '80.5'"));
    tab.front();
    tab.key("Enter");
    tab.wait("it runs", &format!("{STEP}.textContent === 'Running…'"));
    let figures = "[...document.querySelectorAll('.lab-guess-figures > div')]\
                   .map(pair => pair.textContent.replaceAll('\\u{a0}', ' ')).join()";
    tab.wait("the three figures", &format!("{figures} !== ''"));
    assert_eq!(
        tab.eval(figures),
        "you said80.5 %,the law says61 %,it was58.5 %"
    );
    // It is asked again where the reader wants it, and empty.
    assert_eq!(
        tab.eval("document.querySelector('.lab-guess details').open"),
        false
    );
    assert_eq!(tab.eval(&format!("{FIELD}.value")), "");
    tab.eval("location.reload()");
    tab.wait(
        "the same after a reload",
        &format!("document.readyState === 'complete' && {figures}.includes('58.5')"),
    );
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_guess_is_skipped_by_keyboard_and_blocks_nothing() {
    let Some((guide, _browser, mut tab)) =
        open("a_guess_is_skipped_by_keyboard_and_blocks_nothing")
    else {
        return;
    };
    tab.wait("the field", &format!("!{FIELD}.closest('p').hidden"));
    tab.eval(&format!("{FIELD}.focus()"));
    tab.key("Tab");
    assert_eq!(
        tab.eval("document.activeElement.dataset.labAction"),
        "step2",
        "the run button is next"
    );
    tab.key("Enter");
    tab.wait("it runs", &format!("{STEP}.textContent === 'Running…'"));
    tab.wait("its end", &format!("{STEP}.textContent === 'Run'"));
    let handed = std::fs::read_to_string(guide.path("guessed")).expect("a run");
    assert_eq!(handed.trim(), "");
    assert_eq!(tab.eval(&text(".lab-guess-figures")), "");
    // What is no number goes nowhere, and does not run by itself.
    std::fs::remove_file(guide.path("guessed")).expect("removed");
    tab.eval(&format!("{FIELD}.focus()"));
    tab.type_text("-5");
    tab.key("Enter");
    assert_eq!(tab.eval(&format!("{STEP}.textContent")), "Run");
    tab.eval(&format!("{STEP}.click()"));
    tab.wait("it runs", &format!("{STEP}.textContent === 'Running…'"));
    tab.wait("its end", &format!("{STEP}.textContent === 'Run'"));
    let handed = std::fs::read_to_string(guide.path("guessed")).expect("a run");
    assert_eq!(handed.trim(), "");
}
