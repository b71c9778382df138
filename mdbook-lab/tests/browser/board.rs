//! The board of a room: a chat is pasted, a laptop posts, and both are on the page; what names say is text.

use serde_json::Value;

use super::{
    chromium::{Chromium, Tab},
    room::{Room, code},
    text,
};

/// A board, open in a browser with the facilitator's session.
fn open(name: &str) -> Option<(Room, Chromium, Tab)> {
    let browser = Chromium::find(name)?;
    let room = Room::open();
    let mut tab = browser.tab();
    tab.size(1280, 720);
    tab.go(&room.server.link());
    tab.wait(
        "the facilitator's buttons",
        "!document.querySelector('#acts').hidden",
    );
    Some((room, browser, tab))
}

/// Pastes a text as a facilitator does.
fn paste(tab: &mut Tab, text: &str) {
    tab.click("#open-paste");
    let text = Value::from(text);
    tab.eval(&format!(
        "document.querySelector('#text').value = {text}; 0"
    ));
    tab.click("#take");
    tab.wait("the outcome", "document.querySelector('#outcome li')");
}

#[test]
fn a_chat_is_pasted_a_laptop_posts_and_names_are_text() {
    let name = "a_chat_is_pasted_a_laptop_posts_and_names_are_text";
    let Some((room, browser, mut tab)) = open(name) else {
        return;
    };
    assert_eq!(
        tab.eval("location.hash + document.cookie"),
        "",
        "no secret in the address"
    );
    let evil = "<img src=x onerror=alert(1)>";
    let chat = format!(
        "[10:01] Ada: {}\n[10:02] {} and `{}`\n[10:03] cut: {}\n",
        code("ada", 1, 52),
        code(evil, 2, 100),
        code("👩‍👩‍👧 עדה", 3, 40),
        &code("bob", 4, 100)[..50]
    );
    paste(&mut tab, &chat);
    let outcome = tab.eval(&text("#outcome"));
    let outcome = outcome.as_str().expect("words");
    assert!(
        outcome.contains("3 new codes")
            && outcome.contains("1 refused: this share code is cut off"),
        "{outcome}"
    );
    tab.eval("document.querySelector('#paste').close()");
    let rows = "[...document.querySelectorAll('#rows th')].map(head => head.textContent).join('|')";
    tab.wait(
        "three rows",
        "document.querySelectorAll('#rows tr').length === 3",
    );
    let shown = tab.eval(rows);
    for name in ["ada", evil, "👩‍👩‍👧 עדה"] {
        assert!(
            shown.as_str().is_some_and(|shown| shown.contains(name)),
            "{shown}"
        );
    }
    assert_eq!(
        tab.eval("document.querySelectorAll('img, #rows script').length"),
        0
    );
    assert_eq!(
        tab.eval("document.querySelectorAll('#rows th > bdi').length"),
        3,
        "a name turns nothing beside it"
    );

    // A laptop's post is there by itself.
    assert_eq!(
        room.post(&[code("ada", 9, 100)]).expect("an answer").status,
        200
    );
    tab.wait("the pass", "[...document.querySelectorAll('#rows tr')].some(row => row.textContent.startsWith('ada') && row.textContent.includes('100') && row.textContent.endsWith('2 runs'))");
    // Nobody is said to be quiet unless it is asked for.
    assert_eq!(
        tab.eval("document.querySelector('span.quiet')"),
        Value::Null
    );
    tab.eval(
        "document.querySelector('#minutes').value = 1; document.querySelector('#quiet').click()",
    );
    tab.wait("who is quiet", "document.querySelector('span.quiet')");
    let cut = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
    for width in [1920, 1280, 390] {
        tab.width(width);
        assert_eq!(tab.eval(cut), false, "{width}");
    }

    // With the key of the room one reads, and does nothing.
    let mut other = browser.elsewhere();
    let key = room.key.replace("Bearer ", "");
    other.go(&format!("http://{}/#key={key}", room.server.host()));
    other.wait("rows", "document.querySelectorAll('#rows tr').length === 3");
    assert_eq!(other.eval("document.querySelector('#acts').hidden"), true);
    let mut stranger = browser.elsewhere();
    stranger.go(&format!("http://{}/", room.server.host()));
    stranger.wait(
        "the word",
        &format!("{}.includes('for who has the link')", text("#said")),
    );

    let origin = format!("http://{}/", room.server.host());
    for url in tab.requested() {
        assert!(url.starts_with(&origin), "{url} is not ours");
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn ten_thousand_codes_are_drawn_at_once_and_turned_through() {
    let name = "ten_thousand_codes_are_drawn_at_once_and_turned_through";
    let Some((_room, _browser, mut tab)) = open(name) else {
        return;
    };
    let codes: Vec<String> = (0..10_000)
        .map(|n| code(&format!("name {n}"), n, 40))
        .collect();
    paste(&mut tab, &codes.join("\n"));
    tab.eval("document.querySelector('#paste').close()");
    tab.wait(
        "a screen of them",
        "document.querySelectorAll('#rows tr').length > 7",
    );
    // As many rows as have room, whole.
    let last = "document.querySelector('#rows tr:last-child').getBoundingClientRect().bottom \
                <= document.querySelector('footer').getBoundingClientRect().top";
    assert_eq!(tab.eval(last), true);
    assert!(
        tab.eval("document.querySelectorAll('#rows tr').length")
            .as_u64()
            .is_some_and(|rows| rows > 7)
    );
    tab.eval("document.querySelector('#after').click()");
    let drawn = tab.eval("performance.getEntriesByName('board-draw').at(-1).duration");
    lab_say::note!("a screen of 10,000 rows is drawn in {drawn} ms");
    assert_ne!(
        tab.eval(&text("#which"))
            .as_str()
            .map(|which| which.starts_with("1 to ")),
        Some(true)
    );
}
