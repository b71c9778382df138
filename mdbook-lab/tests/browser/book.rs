//! The pages of this project's own guide: nothing of them leaves the machine, complains, or shuts
//! anybody out.

use std::{fs, path::Path};

use lab_say::note;
use serde_json::Value;

use super::{
    attack::{self, Guide},
    chromium::{Chromium, Tab},
};

/// What the pages are built from.
const PARTS: &[&str] = &[
    "book",
    "deploy",
    "driver/scenarios",
    "driver/stage/src",
    "lab-services/examples",
    "lab-services/src",
    "mdbook-lab/assets",
];

/// The guide of this project, with two runs of one step in its reports.
pub(crate) fn guide() -> Guide {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = ours.parent().expect("the workspace");
    let project = tempfile::tempdir().expect("a temporary folder");
    for part in PARTS {
        attack::copy(&root.join(part), &project.path().join(part));
    }
    for file in ["book.toml", "Makefile"] {
        fs::copy(root.join(file), project.path().join(file)).expect(file);
    }
    let runs = ours.join("tests/fixtures/quoted/reports");
    attack::copy(&runs, &project.path().join("reports"));
    Guide::serve(project, 0)
}

/// Opens a page and waits until it is live.
pub(crate) fn visit(tab: &mut Tab, guide: &Guide, page: &str) {
    tab.go(&format!("http://{}/{page}", guide.host()));
    tab.wait(
        page,
        &format!(
            "location.pathname === '/{page}' && document.readyState === 'complete' \
             && document.querySelector('.lab-panel')"
        ),
    );
}

/// The pages of the book in their order.
fn pages(tab: &mut Tab) -> Vec<String> {
    tab.wait("the session", "sessionStorage.getItem('lab-session')");
    tab.wait("the chapters", "document.querySelector('.chapter a')");
    let list = tab.eval(
        "[...new Set([...document.querySelectorAll('.chapter a[href]')]\
         .map(a => new URL(a.href).pathname.slice(1)))].join(' ')",
    );
    let list = list.as_str().expect("the pages");
    list.split(' ').map(str::to_owned).collect()
}

fn theme(tab: &mut Tab, theme: &str) {
    tab.eval(&format!("localStorage.setItem('mdbook-theme', '{theme}')"));
}

#[test]
fn every_page_is_whole_ours_and_fits_a_phone() {
    let Some(browser) = Chromium::find("every_page_is_whole_ours_and_fits_a_phone") else {
        return;
    };
    let guide = guide();
    let mut tab = browser.tab();
    tab.go(&guide.link());
    let pages = pages(&mut tab);
    assert!(pages.len() > 10, "{pages:?}");
    let mut links = std::collections::BTreeSet::new();
    for page in &pages {
        tab.width(1280);
        visit(&mut tab, &guide, page);
        let targets = tab.eval(
            "[...document.querySelectorAll('main a[href], nav a[href]')].map(a => new URL(a.href))\
             .filter(url => url.origin === location.origin).map(url => url.pathname).join(' ')",
        );
        links.extend(
            targets
                .as_str()
                .expect("links")
                .split(' ')
                .map(str::to_owned),
        );
        tab.width(390);
        let spills = tab.eval("document.documentElement.scrollWidth - innerWidth");
        assert_eq!(spills, 0, "{page} is wider than a phone");
    }
    for link in links {
        let status = guide.get(&link, &[]).status;
        assert_eq!(status, 200, "{link}");
    }
    let origin = format!("http://{}/", guide.host());
    for url in tab.requested() {
        assert!(url.starts_with(&origin), "{url} is not ours");
    }
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

/// Opens all hints, and waits until the page is drawn with them.
fn unfold(tab: &mut Tab) {
    tab.eval("document.querySelectorAll('details').forEach(hint => { hint.open = true; })");
    let drawn = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))";
    tab.resolve(drawn);
}

/// Serious findings of axe-core about the page as it stands, a line each.
pub(super) fn barriers(tab: &mut Tab, axe: &str) -> Vec<String> {
    tab.eval(axe);
    let found = tab.resolve(
        "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations\
         .filter(rule => ['serious', 'critical'].includes(rule.impact))\
         .flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html} ${node.failureSummary}`)))",
    );
    let found = found.as_array().expect("a list");
    found.iter().map(Value::to_string).collect()
}

/// The text of axe.min.js of axe-core 4, from npm, which `LAB_AXE` names.
pub(super) fn axe() -> Option<String> {
    let axe = std::env::var_os("LAB_AXE")?;
    let text =
        fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}", axe.display()));
    Some(format!("{text};0"))
}

#[test]
fn nobody_is_shut_out() {
    let name = "nobody_is_shut_out";
    let Some(axe) = axe() else {
        assert!(
            std::env::var_os("LAB_REQUIRE_BROWSER").is_none(),
            "LAB_REQUIRE_BROWSER is set, and LAB_AXE does not name axe.min.js"
        );
        note!("SKIPPED {name}: LAB_AXE does not name axe-core's axe.min.js");
        return;
    };
    let Some(browser) = Chromium::find(name) else {
        return;
    };
    let guide = guide();
    let mut tab = browser.tab();
    tab.go(&guide.link());
    let pages = pages(&mut tab);
    let mut found = Vec::new();
    let mut look = |tab: &mut Tab, page: &str, shown: &str, width: u32| {
        theme(tab, shown);
        tab.width(width);
        visit(tab, &guide, page);
        unfold(tab);
        let barriers = barriers(tab, &axe).into_iter();
        found.extend(barriers.map(|barrier| format!("{page}, {shown}, {width}: {barrier}")));
    };
    for page in &pages {
        look(&mut tab, page, "light", 1280);
        look(&mut tab, page, "navy", 390);
    }
    for shown in ["rust", "coal", "ayu"] {
        look(&mut tab, "index.html", shown, 1280);
        look(&mut tab, "step2-tx.html", shown, 1280);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
