//! The guide in a real browser: run, watch, cancel, reload, read the report. Where no Chromium is
//! installed each test says SKIPPED by name; with `LAB_REQUIRE_BROWSER` set it fails instead.

#![cfg(unix)]

#[allow(dead_code, reason = "the attacks need more of it than the pages do")]
#[path = "../security/attack.rs"]
mod attack;
mod board;
mod book;
mod chromium;
mod guesses;
mod live;
mod own;
mod paper;
mod pictures;
mod replays;
#[path = "../security/room.rs"]
#[allow(dead_code, reason = "the attacks need more of it than the page does")]
mod room;
mod sessions;
mod stages;
mod strangers;
mod turns;
mod ways;
mod words;

use std::{fs, time::Duration};

use attack::Guide;
use chromium::{Chromium, Tab};
use serde_json::Value;

/// A guide, and the page with the step open in a browser that has the session.
fn open(name: &str) -> Option<(Guide, Chromium, Tab)> {
    let browser = Chromium::find(name)?;
    let guide = Guide::open();
    let mut tab = browser.tab();
    tab.go(&guide.link());
    tab.wait("a run button", "!document.querySelector('.lab-run').hidden");
    Some((guide, browser, tab))
}

fn press(tab: &mut Tab, action: &str) {
    tab.eval(&format!(
        "document.querySelector('.lab-run[data-lab-action=\"{action}\"]').click()"
    ));
}

/// The text of an element.
fn text(selector: &str) -> String {
    format!("(document.querySelector('{selector}')?.textContent ?? '')")
}

#[test]
fn a_run_is_pressed_watched_and_read() {
    let Some((guide, _browser, mut tab)) = open("a_run_is_pressed_watched_and_read") else {
        return;
    };
    assert_eq!(
        tab.eval("location.href"),
        format!("http://{}/", guide.host()),
        "the ticket is not in the address"
    );
    assert_eq!(tab.eval("document.cookie"), "");
    let said = text(".lab-panel-said");
    tab.eval(
        "window.heard = []; for (const word of document.querySelectorAll('.lab-panel-said, .lab-why')) \
         new MutationObserver(() => heard.push(word.textContent)).observe(word, {childList: true}); 0",
    );
    press(&mut tab, "step2");
    tab.wait(
        "the panel below its button",
        "document.querySelector('.lab-panel').previousElementSibling.dataset.labAction === 'step2'",
    );
    tab.wait(
        "numbers",
        "document.querySelector('.lab-figure-offered dd').textContent === '100'",
    );
    tab.wait("the fault", &format!("{said} === 'Phase: fault.'"));
    tab.wait(
        "a line",
        "document.querySelector('.lab-plot .lab-line-p95').getAttribute('d').length > 40",
    );
    tab.wait("the verdict", &format!("{said} === 'tx: FAIL, 41 of 100.'"));
    tab.wait("the link", "document.querySelector('.lab-panel-links a')");
    // As the journal has it: what was refused is not ok, and classes are not mixed.
    for (figure, value) in [("ok", "43"), ("refused", "38"), ("failed", "19")] {
        let shown = tab.eval(&text(&format!(".lab-figure-{figure} dd")));
        assert_eq!(shown, value, "{figure}");
    }
    let p95 =
        "[...document.querySelectorAll('.lab-figure-p95')].map(pair => pair.textContent).join()";
    assert_eq!(tab.eval(p95), "p95 pay3.6 s,p95 local (bystander)1.5 ms");
    assert_eq!(
        tab.eval("document.querySelector('.lab-figure-replicas')"),
        Value::Null
    );
    let limit = text(".lab-chart figcaption");
    tab.wait(
        "the limit",
        &format!("{limit}.includes('objective 500 ms')"),
    );
    // What commands print is text, whatever it looks like.
    tab.wait(
        "the output",
        &format!("{}.includes('<b>not bold</b>')", text(".lab-log")),
    );
    assert_eq!(
        tab.eval("document.querySelectorAll('.lab-log b').length"),
        0
    );
    // Nothing of it is cut off on a phone.
    tab.width(390);
    tab.eval("document.querySelector('#mdbook-sidebar-toggle-anchor').checked = false");
    let cut = "(() => { const panel = document.querySelector('.lab-panel'); \
               return [panel, ...panel.querySelectorAll('.lab-live, .lab-charts, .lab-chart')] \
               .some(part => part.scrollWidth > part.clientWidth \
               || part.getBoundingClientRect().right > document.documentElement.clientWidth); })()";
    tab.wait("a whole panel", &format!("!{cut}"));
    // In the order in which it was said, on whichever stream.
    tab.wait(
        "the score",
        &format!("{}.includes('SCORE')", text(".lab-log")),
    );
    let order = format!("{}.match(/check \\d+|SCORE/g).join()", text(".lab-log"));
    let checks = (0..40).map(|n| format!("check {n},"));
    assert_eq!(tab.eval(&order), checks.collect::<String>() + "SCORE");
    let heard = tab.eval("heard.join()");
    let heard = heard.as_str().expect("words");
    // The end of the run says more than the end of its command, and nobody ran it in a terminal.
    assert!(heard.contains("make step2 is running.") && heard.contains("Phase: fault."));
    assert!(
        !heard.contains("done") && !heard.contains("terminal"),
        "{heard}"
    );
    tab.eval("document.querySelector('.lab-panel-links a').click()");
    tab.wait(
        "the report",
        "document.body.textContent.includes('The report of the fixture')",
    );
    assert_eq!(
        tab.eval(&text(".next")),
        "Next: Step 2, A step: mend the marked place, then make step2 again."
    );
    tab.eval("document.querySelector('a.guide').click()");
    tab.wait("the page of its step", "document.querySelector('.lab-run')");

    let origin = format!("http://{}/", guide.host());
    for url in tab.requested() {
        assert!(url.starts_with(&origin), "{url} is not ours");
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn a_command_can_be_cancelled_and_survives_a_reload() {
    let Some((guide, _browser, mut tab)) = open("a_command_can_be_cancelled_and_survives_a_reload")
    else {
        return;
    };
    press(&mut tab, "wait");
    let running = "document.querySelector('.lab-run[data-lab-action=\"wait\"]')\
                   ?.textContent === 'Running…'";
    tab.wait("running", running);
    tab.eval("location.reload()");
    std::thread::sleep(Duration::from_millis(300));
    tab.wait("running after the reload", running);
    attack::wait_until("waiting", || guide.path("waiting").exists());
    tab.eval("document.querySelector('.lab-cancel').click()");
    tab.wait(
        "the end",
        "document.querySelector('.lab-run[data-lab-action=\"wait\"]').textContent === 'Run'",
    );
    assert_eq!(
        tab.eval("document.querySelector('.lab-cancel').hidden"),
        true
    );
    let said = text(".lab-panel-said");
    tab.wait(
        "the word",
        &format!("{said} === 'make wait was cancelled.'"),
    );
}

#[test]
fn a_run_started_elsewhere_is_shown_too() {
    let Some((guide, browser, mut tab)) = open("a_run_started_elsewhere_is_shown_too") else {
        return;
    };
    tab.size(1280, 1400);
    press(&mut tab, "broken");
    let said = text(".lab-panel-said");
    tab.wait("an error", &format!("{said}.includes('exit code 2')"));
    let mut run = std::process::Command::new("sh")
        .arg("run.sh")
        .current_dir(guide.path("."))
        .spawn()
        .expect("the run");
    tab.wait(
        "its title",
        &format!("{} === 'tx, your code'", text(".lab-panel-title")),
    );
    // Where the reader has it, and without the error of the command before.
    let place = "document.querySelector('.lab-panel').previousElementSibling.dataset.labAction";
    assert_eq!(tab.eval(place), "broken");
    assert_eq!(tab.eval(&text(".lab-log")), "");
    // Nothing else can be started beside it, and the page says why.
    let button = "document.querySelector('.lab-run[data-lab-action=\"touch\"]')";
    assert_eq!(tab.eval(&format!("{button}.ariaDisabled")), "true");
    assert_eq!(
        tab.eval(&text(".lab-why")),
        "A run in the terminal is under way."
    );
    press(&mut tab, "touch");
    tab.wait(
        "the reason",
        &format!("{said}.includes('wait for its end')"),
    );
    // On another page it is a bar that hides nothing beside it.
    let mut other = browser.tab();
    other.go(&format!("http://{}/404.html", guide.host()));
    other.width(500);
    other.front();
    other.wait("the bar", "!document.querySelector('.lab-panel').hidden");
    assert_eq!(
        other.eval("document.querySelector('.lab-panel-body').hidden"),
        true
    );
    let spills = "document.querySelector('.lab-panel').getBoundingClientRect().right \
                  > document.documentElement.clientWidth";
    assert_eq!(other.eval(spills), false);
    tab.front();
    run.wait().expect("its end");
    tab.wait("the link", "document.querySelector('.lab-panel-links a')");
    tab.wait(
        "a free button",
        &format!("{button}.ariaDisabled === 'false'"),
    );
    assert!(!guide.path("touched").exists());
    // It stays when the page is left, until the reader closes it for good.
    tab.eval("location.reload()");
    std::thread::sleep(Duration::from_millis(300));
    tab.wait(
        "the link again",
        "document.querySelector('.lab-panel-links a')",
    );
    tab.eval("document.querySelector('.lab-panel-close').click(); location.reload()");
    std::thread::sleep(Duration::from_millis(300));
    tab.wait(
        "the link unseen",
        "document.querySelector('.lab-panel-links a')",
    );
    assert_eq!(
        tab.eval("document.querySelector('.lab-panel').hidden"),
        true
    );
}

#[test]
fn a_changed_page_comes_by_itself_and_keeps_open_hints() {
    let Some((guide, _browser, mut tab)) =
        open("a_changed_page_comes_by_itself_and_keeps_open_hints")
    else {
        return;
    };
    tab.eval("document.querySelector('details').open = true");
    let page = guide.path("book/step.md");
    let old = fs::read_to_string(&page).unwrap();
    fs::write(&page, format!("{old}\nNewly written.\n")).unwrap();
    tab.wait(
        "the change",
        "document.body.textContent.includes('Newly written.')",
    );
    tab.wait("the hint", "document.querySelector('details').open");

    // A mistake is shown, and the page stays.
    fs::write(&page, format!("{old}\n{{{{#lab nonsense}}}}\n")).unwrap();
    tab.wait("the mistake", "document.querySelector('.lab-build-error')");
    assert_eq!(tab.eval("document.querySelectorAll('.lab-run').length"), 4);
    fs::write(&page, old).unwrap();
    tab.wait("the page", "!document.querySelector('.lab-build-error')");
}

#[test]
fn a_reader_without_the_session_reads_and_is_told_how_to_run() {
    let name = "a_reader_without_the_session_reads_and_is_told_how_to_run";
    let Some(browser) = Chromium::find(name) else {
        return;
    };
    let guide = Guide::open();
    let mut tab = browser.tab();
    tab.go(&format!("http://{}/", guide.host()));
    tab.wait(
        "the word",
        &format!("{}.includes('open the link')", text(".lab-panel-said")),
    );
    assert_eq!(
        tab.eval(&text(".lab-panel-said")),
        "To run commands from the page, open the link that make book printed last."
    );
    assert_eq!(tab.eval(&text(".lab-panel-said code")), "make book");
    assert_eq!(tab.eval("document.querySelector('.lab-run').hidden"), true);
    assert_eq!(
        tab.eval("document.querySelector('.lab-copy').hidden"),
        false
    );
}

#[test]
fn a_page_says_when_the_server_is_gone() {
    let Some((mut guide, _browser, mut tab)) = open("a_page_says_when_the_server_is_gone") else {
        return;
    };
    guide.end("-TERM");
    tab.wait(
        "the word",
        &format!("{}.includes('has stopped')", text(".lab-panel-said")),
    );
    assert_eq!(tab.eval("document.querySelector('.lab-run').hidden"), true);
}

#[test]
fn arrow_keys_do_not_turn_the_page_under_controls() {
    let Some((_guide, _browser, mut tab)) = open("arrow_keys_do_not_turn_the_page_under_controls")
    else {
        return;
    };
    let heard = tab.eval(
        "(() => { let heard = false; document.addEventListener('keydown', () => { heard = true; });\
         for (const key of ['ArrowRight', 'ArrowLeft']) document.body.dispatchEvent(\
         new KeyboardEvent('keydown', { key, bubbles: true })); return heard; })()",
    );
    assert_eq!(heard, false);
}
