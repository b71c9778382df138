//! The right to run things: how it gets into a browser, from tab to tab, and where it ends.

use super::{
    attack::{self, Guide},
    chromium::{Chromium, Tab},
    open, press, text,
};

const RUN: &str = "document.querySelector('.lab-run[data-lab-action=\"touch\"]')";

/// Waits until the tab has the right to run things.
fn may_run(tab: &mut Tab) {
    tab.front();
    tab.wait("a run button", &format!("{RUN} && !{RUN}.hidden"));
}

/// Waits until the tab says what to do to get it.
fn is_told(tab: &mut Tab, words: &str) {
    tab.front();
    let said = text(".lab-panel-said");
    tab.wait("the word", &format!("{said}.includes('{words}')"));
    assert_eq!(tab.eval(&format!("{RUN}.hidden")), true);
}

fn front_page(guide: &Guide) -> String {
    format!("http://{}/", guide.host())
}

#[test]
fn a_tab_keeps_it_from_page_to_page_and_over_a_reload() {
    let name = "a_tab_keeps_it_from_page_to_page_and_over_a_reload";
    let Some((guide, _browser, mut tab)) = open(name) else {
        return;
    };
    for _ in 0..2 {
        tab.go(&format!("{}404.html", front_page(&guide)));
        tab.wait("the other page", &format!("{RUN} === null"));
        tab.go(&format!("{}step.html", front_page(&guide)));
        may_run(&mut tab);
        tab.eval("window.before = true; location.reload()");
        tab.wait("the reload", "window.before !== true");
        may_run(&mut tab);
    }
    press(&mut tab, "touch");
    attack::wait_until("touched", || guide.path("touched").exists());
    assert_eq!(tab.eval("location.hash"), "");
}

#[test]
fn a_chapter_in_a_new_tab_gets_it_from_the_tab_it_was_opened_from() {
    let name = "a_chapter_in_a_new_tab_gets_it_from_the_tab_it_was_opened_from";
    let Some((guide, browser, mut tab)) = open(name) else {
        return;
    };
    // By a click with the middle button, by hand, and under our other name.
    tab.front();
    tab.eval(
        "(() => { const link = document.createElement('a'); link.id = 'chapter';\
         link.href = '/step.html#chapter'; link.textContent = 'The chapter';\
         document.querySelector('details').before(link); })()",
    );
    tab.middle_click("#chapter");
    let mut clicked = browser.opened(&format!("{}step.html", front_page(&guide)));
    may_run(&mut clicked);
    let mut typed = browser.tab();
    typed.go(&front_page(&guide));
    may_run(&mut typed);
    let mut other_name = browser.tab();
    other_name.go(&format!("http://localhost:{}/step.html", guide.port));
    may_run(&mut other_name);
    assert_eq!(
        other_name.eval("location.host"),
        guide.host(),
        "there is one origin"
    );
}

#[test]
fn another_browser_needs_a_link_of_its_own_which_is_printed() {
    let name = "another_browser_needs_a_link_of_its_own_which_is_printed";
    let Some((guide, browser, _tab)) = open(name) else {
        return;
    };
    let mut other = browser.elsewhere();
    other.go(&front_page(&guide));
    is_told(&mut other, "open the link that make book printed last");
    // The link that was used already says so.
    other.go(&guide.link());
    is_told(&mut other, "was used already");
    let link = format!("{}#ticket={}", front_page(&guide), guide.next_ticket());
    // Into the address bar of the page that is open: it is the same page with another end.
    other.eval("window.same = true");
    other.go(&link);
    may_run(&mut other);
    assert_eq!(other.eval("window.same"), true, "not even loaded anew");
    assert_eq!(other.eval("location.href"), front_page(&guide));
}

#[test]
fn a_used_link_is_fine_in_the_browser_that_used_it() {
    let name = "a_used_link_is_fine_in_the_browser_that_used_it";
    let Some((guide, browser, _tab)) = open(name) else {
        return;
    };
    let mut again = browser.tab();
    again.go(&guide.link());
    may_run(&mut again);
    assert_eq!(again.eval("location.href"), front_page(&guide));
}

#[test]
fn pages_of_an_ended_server_come_alive_with_the_new_link() {
    let name = "pages_of_an_ended_server_come_alive_with_the_new_link";
    let Some((guide, browser, mut old)) = open(name) else {
        return;
    };
    let guide = guide.again();
    is_told(&mut old, "open the link");
    let mut new = browser.tab();
    new.go(&guide.link());
    may_run(&mut new);
    // Nobody has touched this one.
    may_run(&mut old);
}

#[test]
fn a_ticket_that_is_none_takes_nothing_away() {
    let name = "a_ticket_that_is_none_takes_nothing_away";
    let Some((guide, _browser, mut tab)) = open(name) else {
        return;
    };
    for hash in ["#ticket=", "#ticket=guess", "#ticket=<script>", "#none"] {
        tab.go(&format!("{}{hash}", front_page(&guide)));
        tab.wait(
            "the address",
            &format!("location.hash !== '{hash}' || '{hash}' === '#none'"),
        );
        may_run(&mut tab);
        tab.eval("window.before = true; location.reload()");
        tab.wait("the reload", "window.before !== true");
        may_run(&mut tab);
    }
}

#[test]
fn a_browser_is_opened_by_a_private_file_that_is_gone_after_use() {
    let name = "a_browser_is_opened_by_a_private_file_that_is_gone_after_use";
    let Some(browser) = Chromium::find(name) else {
        return;
    };
    let opened = Guide::open_with_desktop();
    let mut tab = browser.tab();
    tab.go(&format!("file://{}", opened.file.display()));
    may_run(&mut tab);
    assert_eq!(tab.eval("location.href"), front_page(&opened.guide));
    attack::wait_until("gone", || !opened.file.exists());
    // The printed link is as good as new.
    let mut other = browser.elsewhere();
    other.go(&opened.guide.link());
    may_run(&mut other);
}
