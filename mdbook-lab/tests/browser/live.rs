//! A run as it is seen while it goes on: in the page, in the whole window, and on the wall.

use std::process::{Child, Command};

use super::{
    attack::Guide,
    book,
    chromium::{Chromium, Tab},
    open, text,
};

/// Notes from now on what moves in the page around the panel although nobody has asked for it.
fn note_shifts(tab: &mut Tab) {
    tab.eval(
        "window.shifts = []; new PerformanceObserver(list => { for (const shift of list.getEntries())\
         if (!shift.hadRecentInput) shifts.push(...shift.sources\
         .filter(({ node }) => !node?.parentElement?.closest('.lab-panel'))\
         .map(({ node, previousRect, currentRect }) =>\
         `${node?.className || node?.nodeName} from ${previousRect.y} to ${currentRect.y}`)); })\
         .observe({ type: 'layout-shift' }); 0",
    );
}

/// A run in a terminal of the project.
fn in_a_terminal(guide: &Guide) -> Child {
    Command::new("sh")
        .arg("run.sh")
        .current_dir(guide.path("."))
        .spawn()
        .expect("the run")
}

/// Where axe-core is at hand, it finds nothing serious in the page as it stands.
fn shuts_nobody_out(tab: &mut Tab) {
    if let Some(axe) = book::axe() {
        assert_eq!(book::barriers(tab, &axe), Vec::<String>::new());
    }
}

const PANEL: &str = "document.querySelector('.lab-panel')";

#[test]
fn a_run_moves_no_text_and_fills_the_window_when_it_is_asked_to() {
    let name = "a_run_moves_no_text_and_fills_the_window_when_it_is_asked_to";
    let Some((guide, _browser, mut tab)) = open(name) else {
        return;
    };
    tab.size(1280, 800);
    tab.front();
    note_shifts(&mut tab);
    tab.click(".lab-run[data-lab-action=step2]");
    tab.wait(
        "numbers",
        "document.querySelector('.lab-figure-offered dd').textContent === '100'",
    );

    // Large, by the keyboard, and back.
    let button = "document.querySelector('.lab-panel-enlarge')";
    let at = tab.eval("scrollY");
    tab.eval(&format!("{button}.focus({{preventScroll: true}})"));
    tab.key("Enter");
    let covers = format!(
        "(({{x, y, width, height}}) => [x, y, width - document.documentElement.clientWidth, height - innerHeight].join())\
         ({PANEL}.getBoundingClientRect()) === '0,0,0,0'"
    );
    tab.wait("a large panel", &covers);
    let is_on_it = format!("document.activeElement === {button}");
    assert_eq!(tab.eval(&is_on_it), true);
    // What is under it can't be come to.
    assert_eq!(
        tab.eval("document.querySelector('.lab-copy').closest('[inert]') !== null"),
        true
    );
    shuts_nobody_out(&mut tab);
    tab.key("Escape");
    tab.wait("the page", &format!("!({covers})"));
    assert_eq!(tab.eval(&is_on_it), true);
    assert_eq!(tab.eval("document.querySelectorAll('[inert]').length"), 0);
    assert_eq!(tab.eval("scrollY"), at);

    tab.wait("the link", "document.querySelector('.lab-panel-links a')");
    // The picture is that of the last moment: 4 places, all of them taken, and a line.
    let picture = ".lab-panel-stage svg";
    assert_eq!(
        tab.eval(&text(&format!("{picture} .headline"))),
        "4 of 4 slots taken"
    );
    let stuck = format!("document.querySelectorAll('{picture} [data-kind=cells] .stuck').length");
    assert_eq!(tab.eval(&stuck), 4);
    assert_eq!(
        tab.eval(&text(&format!("{picture} .waiting"))),
        "19 wait outside"
    );

    // One from elsewhere, while the panel is there and when it is closed.
    for _ in 0..2 {
        let mut run = in_a_terminal(&guide);
        tab.wait(
            "it is shown",
            &format!("!{PANEL}.hidden && document.querySelector('.lab-panel-links').hidden"),
        );
        run.wait().expect("its end");
        tab.wait(
            "its end",
            "!document.querySelector('.lab-panel-links').hidden",
        );
        tab.click(".lab-panel-close");
    }
    assert_eq!(tab.eval("shifts.join()"), "");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// That all of the wall is on the screen.
pub(super) const FITS: &str = "document.documentElement.scrollHeight <= innerHeight \
                               && document.documentElement.scrollWidth <= innerWidth \
                               && [...document.querySelectorAll('main *')].every(part => \
                               part.getBoundingClientRect().bottom <= innerHeight + 1)";

/// The wall in a tab of a browser that has the session, on the screen of a projector.
pub(super) fn wall(guide: &Guide, browser: &Chromium) -> Tab {
    let mut tab = browser.tab();
    tab.size(1280, 720);
    tab.go(&format!("http://{}/live", guide.host()));
    tab.front();
    tab.wait(
        "the wall",
        &format!("{}.includes('Nothing runs yet')", text("#said")),
    );
    tab
}

#[test]
fn the_wall_follows_a_run_in_a_terminal_to_its_verdict_and_comes_back_with_the_server() {
    let name = "the_wall_follows_a_run_in_a_terminal_to_its_verdict_and_comes_back_with_the_server";
    let Some((guide, browser, mut page)) = open(name) else {
        return;
    };
    let mut wall = wall(&guide, &browser);
    let mut run = in_a_terminal(&guide);
    wall.wait(
        "its name",
        &format!("{} === 'tx, your code'", text("#title")),
    );
    wall.wait("its phase", &format!("{} === 'fault'", text("#phase")));
    wall.wait("all of it on the screen", FITS);
    wall.size(1920, 1080);
    wall.wait("all of it on a larger one", FITS);
    run.wait().expect("its end");
    let verdict = format!("{} === 'FAIL · 41 of 100'", text("#said"));
    wall.wait("the verdict", &verdict);
    // It shows the moment at which it stood worst.
    assert_eq!(wall.eval(&text("#latency .value")), "1.5 ms");
    assert_eq!(wall.eval(&text("#latency .word")), "within 500 ms");
    assert_eq!(wall.eval(&text("#ends .parts")), "43 ok38 refused19 failed");
    assert_eq!(wall.eval(&text("#places .value")), "4 of 4");
    assert_eq!(wall.eval(&text("#places .word")), "19 wait outside");
    assert_eq!(wall.eval(&text("#picture .waiting")), "19 wait outside");
    assert_eq!(wall.eval(&text("#phase")), "at its worst:");
    wall.wait("all of it on the screen", FITS);

    // Light and dark: as the system has it, until somebody wants it otherwise.
    let back = "getComputedStyle(document.body).backgroundColor";
    wall.prefer("dark");
    wall.wait("dark", &format!("{back} === 'rgb(14, 19, 24)'"));
    shuts_nobody_out(&mut wall);
    wall.eval("document.querySelector('#theme').click()");
    assert_eq!(wall.eval(back), "rgb(255, 255, 255)");

    shuts_nobody_out(&mut wall);
    assert_eq!(wall.complaints(), Vec::<String>::new());

    // The server goes and comes back; who opens its link brings the right to follow with them.
    let guide = guide.again();
    page.go(&guide.link());
    wall.front();
    wall.eval("document.querySelector('#said').textContent = 'before'");
    in_a_terminal(&guide).wait().expect("its end");
    wall.wait("another run", &verdict);
}
