//! What readers do besides reading on: two tabs, back and forward, no mouse, no scripts, paper;
//! and what happens under an open page.

use std::{fs, path::Path};

use super::{
    attack::{self, Guide},
    open, press, text,
};

/// Two runs of the step, from elsewhere.
fn bring_runs(guide: &Guide) {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runs = ours.join("tests/fixtures/quoted/reports");
    attack::copy(&runs, &guide.path("reports"));
}

const RUN: &str = "document.querySelector('.lab-run[data-lab-action=\"wait\"]')";

#[test]
fn code_that_does_not_compile_is_told_in_the_page() {
    let Some((_guide, _browser, mut tab)) = open("code_that_does_not_compile_is_told_in_the_page")
    else {
        return;
    };
    press(&mut tab, "broken");
    let log = text(".lab-log");
    tab.wait("the compiler", &format!("{log}.includes('error[E0425]')"));
    let said = text(".lab-panel-said");
    tab.wait("the end", &format!("{said}.includes('exit code 2')"));
    // The first mistake is in view, whatever came after it.
    let seen = "(() => { const log = document.querySelector('.lab-log'); \
                const at = [...log.children].find(line => line.textContent.startsWith('error')).offsetTop; \
                return at >= log.scrollTop && at < log.scrollTop + log.clientHeight / 2; })()";
    tab.wait("the mistake in view", seen);
}

#[test]
fn two_tabs_show_one_run_and_neither_starts_a_second() {
    let Some((guide, browser, mut one)) = open("two_tabs_show_one_run_and_neither_starts_a_second")
    else {
        return;
    };
    let mut other = browser.tab();
    other.go(&format!("http://{}/", guide.host()));
    other.wait("a run button", &format!("!{RUN}.hidden"));
    // A tab behind another one lets its connection go: both must be seen to be live.
    one.front();
    press(&mut one, "wait");
    for tab in [&mut one, &mut other] {
        tab.front();
        tab.wait("it runs", &format!("{RUN}.textContent === 'Running…'"));
        let locked = "[...document.querySelectorAll('.lab-run')]\
                      .every(button => button.ariaDisabled === 'true')";
        tab.wait("no second run", locked);
        let built =
            "(({ value, max }) => `${value} of ${max}`)(document.querySelector('.lab-built'))";
        tab.wait("how far the build is", &format!("{built} === '12 of 250'"));
        assert_eq!(
            tab.eval(&text(".lab-builds")),
            "Building, 12 of 250: driver, lab-load"
        );
        let said = format!("{} === '   Compiling driver\\n'", text(".lab-log"));
        tab.wait("what it says", &said);
    }
    other.eval("document.querySelector('.lab-cancel').click()");
    for tab in [&mut other, &mut one] {
        tab.front();
        tab.wait("the end", &format!("{RUN}.textContent === 'Run'"));
        assert_eq!(
            tab.eval("document.querySelector('.lab-builds').hidden"),
            true
        );
    }
}

#[test]
fn back_and_forward_come_to_a_live_page() {
    let Some((guide, _browser, mut tab)) = open("back_and_forward_come_to_a_live_page") else {
        return;
    };
    press(&mut tab, "wait");
    tab.wait("it runs", &format!("{RUN}.textContent === 'Running…'"));
    tab.go(&format!("http://{}/404.html", guide.host()));
    tab.wait("the other page", &format!("{RUN} === null"));
    tab.eval("history.back()");
    tab.wait(
        "it runs still",
        &format!("{RUN}.textContent === 'Running…'"),
    );
    tab.eval("document.querySelector('.lab-cancel').click()");
    tab.wait("the end", &format!("{RUN}.textContent === 'Run'"));
    tab.eval("history.forward()");
    tab.wait("the other page again", &format!("{RUN} === null"));
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn reports_may_come_and_go_under_an_open_page() {
    let Some((guide, _browser, mut tab)) = open("reports_may_come_and_go_under_an_open_page")
    else {
        return;
    };
    let status = text(".lab-status");
    let none = format!("{status}.includes('No run of your code yet')");
    tab.wait("no run", &none);
    bring_runs(&guide);
    tab.wait("a run", &format!("{status}.startsWith('PASS 100 of 100')"));
    fs::remove_dir_all(guide.path("reports")).expect("the reports go");
    tab.wait("no run again", &none);
    tab.go(&format!("http://{}/reports/", guide.host()));
    tab.wait(
        "a word on it",
        "document.body.textContent.includes('A run makes one')",
    );
}

#[test]
fn a_page_of_a_server_that_was_started_again_says_how_to_go_on() {
    let name = "a_page_of_a_server_that_was_started_again_says_how_to_go_on";
    let Some((guide, _browser, mut tab)) = open(name) else {
        return;
    };
    let guide = guide.again();
    let said = text(".lab-panel-said");
    tab.wait("the word", &format!("{said}.includes('open the link')"));
    assert_eq!(tab.eval(&format!("{RUN}.hidden")), true);
    tab.go(&guide.link());
    tab.wait("a run button", &format!("!{RUN}.hidden"));
}

#[test]
fn a_keyboard_is_enough_and_a_screen_reader_hears_the_end() {
    let name = "a_keyboard_is_enough_and_a_screen_reader_hears_the_end";
    let Some((_guide, _browser, mut tab)) = open(name) else {
        return;
    };
    tab.front();
    tab.eval("document.querySelector('.lab-status').closest('main').focus()");
    let mut presses = 0;
    while tab.eval("document.activeElement.dataset?.labAction ?? ''") != "touch" {
        presses += 1;
        assert!(presses < 60, "Tab never comes to the run button");
        tab.key("Tab");
    }
    tab.key("Enter");
    let said = ".lab-panel-said";
    tab.wait("the end", &format!("{}.includes('done')", text(said)));
    assert_eq!(
        tab.eval(&format!(
            "document.querySelector('{said}').getAttribute('role')"
        )),
        "status"
    );
}

#[test]
fn without_scripts_the_page_reads_on() {
    let Some((guide, browser, _tab)) = open("without_scripts_the_page_reads_on") else {
        return;
    };
    bring_runs(&guide);
    let mut tab = browser.tab();
    tab.without_scripts();
    tab.go(&format!("http://{}/", guide.host()));
    let status = text(".lab-status");
    tab.wait(
        "the status",
        &format!("{status}.startsWith('PASS 100 of 100')"),
    );
    assert_eq!(tab.eval("document.querySelectorAll('.lab-run').length"), 0);
    assert_eq!(tab.eval("document.querySelectorAll('main pre').length"), 5);
}

#[test]
fn on_paper_there_are_no_buttons() {
    let Some((_guide, _browser, mut tab)) = open("on_paper_there_are_no_buttons") else {
        return;
    };
    press(&mut tab, "touch");
    tab.wait("the panel", "!document.querySelector('.lab-panel').hidden");
    tab.print();
    // Paper can't be unfolded.
    let hint = "document.querySelector('details').open";
    tab.eval("window.dispatchEvent(new Event('beforeprint'))");
    assert_eq!(tab.eval(hint), true);
    tab.eval("window.dispatchEvent(new Event('afterprint'))");
    assert_eq!(tab.eval(hint), false);
    for gone in [".lab-panel", ".lab-tools"] {
        let display = format!("getComputedStyle(document.querySelector('{gone}')).display");
        assert_eq!(tab.eval(&display), "none", "{gone}");
    }
}
