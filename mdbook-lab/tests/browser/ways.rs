//! Ways through the guide: progress in the sidebar, the next thing to do, links from reports, and into the editor.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{
    attack::{self, Guide},
    chromium::{Chromium, Tab},
    open, press, text,
};

const MARK: &str = "document.querySelector('.sidebar .chapter a[href$=\"step.html\"] .lab-mark')";

fn next() -> String {
    text(".lab-sidebar-next")
}

#[test]
fn progress_is_in_the_sidebar_and_survives_pages_that_say_nothing_of_it() {
    let name = "progress_is_in_the_sidebar_and_survives_pages_that_say_nothing_of_it";
    let Some((guide, browser, mut tab)) = open(name) else {
        return;
    };
    let state = |state: &str| format!("{MARK}?.classList.contains('lab-mark-{state}')");
    tab.wait("a step not run yet", &state("new"));
    let told = "Next: Step 1, Another step: make step1 as it is, to see it fail.";
    assert_eq!(tab.eval(&next()), told);
    press(&mut tab, "step2");
    tab.wait("a step that was tried", &state("fail"));
    // Its words, for who hears the page.
    let words = tab.eval(&format!("{MARK}.textContent"));
    assert_eq!(words, ", not yet; best score 41 of 100");
    // Whoever is at a step stays there.
    let told = "Next: Step 2, A step: mend the marked place, then make step2 again.";
    assert_eq!(tab.eval(&next()), told);
    // What is pressed next shows nothing of that run.
    let drawn = "document.querySelector('.lab-panel-stage svg') !== null";
    tab.wait("the picture", drawn);
    press(&mut tab, "touch");
    tab.wait(
        "the word",
        &format!("{} === 'make touch is done.'", text(".lab-panel-said")),
    );
    let height = tab.eval("document.querySelector('.lab-live').offsetHeight");
    assert_eq!(height, 0);
    // Built again, and in a tab that has no session.
    let page = guide.path("book/step.md");
    let old = fs::read_to_string(&page).expect("the page");
    fs::write(&page, format!("{old}\nNewly written.\n")).expect("written");
    tab.wait(
        "the new page",
        "document.body.textContent.includes('Newly written.')",
    );
    tab.wait("the mark again", &state("fail"));
    tab.eval("sessionStorage.clear()");
    tab.go("about:blank");
    let mut other = browser.tab();
    other.go(&format!("http://{}/404.html", guide.host()));
    other.wait("the mark remembered", &state("fail"));
    assert_eq!(other.eval(&next()), told);
    other.eval("document.querySelector('.lab-sidebar-next a').click()");
    other.wait("the step's page", "location.pathname === '/step.html'");
}

#[test]
fn what_was_remembered_is_text() {
    let Some((guide, _browser, mut tab)) = open("what_was_remembered_is_text") else {
        return;
    };
    let poison = r#"{"steps":[{"page":"step.html","state":"pass","words":"<img src=/hacked onerror=hacked=1>"},
        {"page":"javascript:hacked=1","state":"x y","words":1}, 7],
        "next":{"page":"//evil.example/x","title":"T","text":"Next: T <img src=/hacked onerror=hacked=1>"}}"#;
    tab.wait("a mark", MARK);
    tab.eval(&format!(
        "sessionStorage.clear(); const key = Object.keys(localStorage).find(key => key.startsWith('lab-steps'));\
         localStorage.setItem(key, {})",
        serde_json::json!(poison)
    ));
    tab.go(&format!("http://{}/404.html", guide.host()));
    tab.wait("the text", &format!("{}.includes('onerror')", next()));
    assert_eq!(tab.eval("typeof hacked"), "undefined");
    assert_eq!(
        tab.eval("document.querySelectorAll('.sidebar img').length"),
        0
    );
    let link = tab.eval("document.querySelector('.lab-sidebar-next a').href");
    assert_eq!(link, "");
}

/// A guide whose user has this in `$VISUAL`, and a page of it that names an edit point.
fn with_editor(name: &str, visual: &str) -> Option<(Guide, Chromium, Tab)> {
    let browser = Chromium::find(name)?;
    let project = Guide::project();
    let book = project.path().join("book.toml");
    let config = fs::read_to_string(&book).expect("the configuration");
    fs::write(
        &book,
        config.replace("edit = []", "edit = [\"src/a b.rs\"]"),
    )
    .expect("written");
    fs::create_dir(project.path().join("src")).expect("a folder");
    fs::write(
        project.path().join("src/a b.rs"),
        "//\n// LAB: STEP1 TODO\n",
    )
    .expect("written");
    let page = project.path().join("book/step.md");
    let text = fs::read_to_string(&page).expect("the page");
    fs::write(&page, format!("{text}\nYou edit `src/a b.rs`.\n")).expect("written");
    let tools = project.path().join("tools");
    fs::create_dir(&tools).expect("a folder");
    let script = "#!/bin/sh\nprintf '<%s>' \"$@\" >noted.part && mv noted.part noted\n";
    fs::write(tools.join("gvim"), script).expect("written");
    fs::set_permissions(tools.join("gvim"), fs::Permissions::from_mode(0o755)).expect("set");
    let path = std::env::var("PATH").unwrap_or_default();
    let guide = Guide::serve_with(project, 0, |command| {
        command
            .arg("--no-open")
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("VISUAL", visual)
            .env("TERM_PROGRAM", if visual == "gvim" { "" } else { "vscode" })
            .env("DISPLAY", ":0")
            .env_remove("EDITOR")
            .env_remove("SSH_CONNECTION")
    });
    let mut tab = browser.tab();
    tab.go(&guide.link());
    tab.wait("an opener", "document.querySelector('.lab-open-edit')");
    Some((guide, browser, tab))
}

#[test]
fn an_edit_point_opens_in_the_editor() {
    let name = "an_edit_point_opens_in_the_editor";
    let Some((guide, _browser, mut tab)) = with_editor(name, "gvim") else {
        return;
    };
    tab.eval("document.querySelector('.lab-open-edit button').click()");
    attack::wait_until("opened", || guide.path("noted").exists());
    let root = guide.path(".").canonicalize().expect("the project");
    let noted = fs::read_to_string(guide.path("noted")).expect("what it was started with");
    assert_eq!(noted, format!("<+2><{}/src/a b.rs>", root.display()));
    // What is none of the project's has no link; what the server refuses is told.
    for odd in [
        "'/etc/passwd'",
        "'../a.rs'",
        "'a/../b.rs'",
        "'.git/config'",
        "''",
        "null",
        "'a\\\\b.rs'",
    ] {
        assert_eq!(
            tab.eval(&format!("labEditor.link({odd}, 1, 1)")),
            serde_json::Value::Null,
            "{odd}"
        );
    }
    tab.eval(
        "document.querySelector('main').append(labEditor.link('src/none.rs', 7, 3)); \
              document.querySelector('main > .lab-open button').click()",
    );
    let label = tab.eval("document.querySelector('main > .lab-open button').ariaLabel");
    assert_eq!(label, "Open src/none.rs:7:3 in gVim");
    tab.wait(
        "the reason",
        &format!(
            "{}.includes('no text of the project')",
            text("main > .lab-open")
        ),
    );
}

#[test]
fn an_editor_with_links_of_its_own_gets_one() {
    let name = "an_editor_with_links_of_its_own_gets_one";
    let Some((guide, _browser, mut tab)) = with_editor(name, "vi") else {
        return;
    };
    let root = guide.path(".").canonicalize().expect("the project");
    let link = tab.eval("document.querySelector('.lab-open-edit a').href");
    assert_eq!(
        link,
        format!("vscode://file{}/src/a%20b.rs:2", root.display())
    );
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
