//! The page that is handed out, as a printer makes it.

use super::{book, chromium::Chromium};

/// Width and height, inches.
const A4: (f64, f64) = (8.27, 11.69);
const LETTER: (f64, f64) = (8.5, 11.0);

#[test]
fn the_hand_out_is_one_sheet() {
    let Some(browser) = Chromium::find("the_hand_out_is_one_sheet") else {
        return;
    };
    let guide = book::guide();
    let mut tab = browser.tab();
    tab.go(&guide.link());
    tab.wait("the session", "sessionStorage.getItem('lab-session')");
    book::visit(&mut tab, &guide, "handout.html");
    for (width, height) in [A4, LETTER] {
        assert_eq!(tab.sheets(width, height), 1, "{width} × {height} inches");
    }
    // As it is on a screen it takes more: it is the style for paper that makes it one, and sheets are counted.
    tab.eval("document.querySelector('.lab-sheet').classList.remove('lab-sheet')");
    assert!(tab.sheets(A4.0, A4.1) > 1);
}
