//! The README's pictures, for `make pictures`: of real runs of step 1 that `make demo` left. The guide's is taken while
//! it follows the starter's run, whose journal is written once more up to the moment of its longest line.

use std::{fs, path::Path, process::Command};

use lab_record::{Reports, Run};
use serde_json::Value;

use super::{
    attack::Guide,
    chromium::{Chromium, Tab},
    press,
    stages::{newest, reports},
};

/// Largest size of a picture, bytes: who reads the README waits for it.
const LARGEST: usize = 200_000;

const NAME: &str = "pictures::are_made";

#[test]
#[ignore = "it writes the README's pictures: make pictures"]
fn are_made() {
    let browser = Chromium::find(NAME).expect("a Chromium; CHROMIUM=PATH names one");
    let starter = newest(NAME, "timeouts", "starter").expect("a run; make demo makes it");
    let solved = newest(NAME, "timeouts", "solved").expect("a run; make demo makes it");
    comparison(&browser, &starter, &solved);
    guide(&browser, &starter);
}

fn comparison(browser: &Chromium, starter: &Run, solved: &Run) {
    let folder = tempfile::tempdir().expect("a folder");
    let reports = Reports::at(folder.path());
    let page = lab_report::write_comparison(&reports, starter, solved).expect("a comparison");
    let mut tab = light(browser);
    tab.go(&format!("file://{}", page.display()));
    tab.wait("the page", "document.querySelector('h1')");
    keep("comparison.png", &mut tab);
}

fn guide(browser: &Chromium, starter: &Run) {
    let guide = Guide::serve(project(), 0);
    let mut tab = light(browser);
    tab.go(&guide.link());
    tab.wait(
        "the session",
        "JSON.parse(sessionStorage.getItem('lab-session')) !== null",
    );
    tab.go(&format!("http://{}/step1-timeouts.html", guide.host()));
    tab.wait("a run button", "!document.querySelector('.lab-run').hidden");
    press(&mut tab, "step1");
    super::attack::wait_until("the run", || guide.path("begun").exists());
    follow(&guide, starter);
    let stage = "document.querySelector('.lab-panel-stage svg')";
    tab.wait("the stage", stage);
    let all_taken = "document.querySelector('.lab-panel-stage').textContent.includes('16 of 16')";
    tab.wait("sixteen of sixteen", all_taken);
    tab.eval(
        "document.querySelector('.lab-run[data-lab-action=\"step1\"]').closest('.lab-command')\
         .scrollIntoView({block: 'start', behavior: 'instant'})",
    );
    keep("guide.png", &mut tab);
    fs::write(guide.path("done"), "").expect("a file");
}

/// Writes the journal of a run up to the moment of its longest line.
fn follow(guide: &Guide, run: &Run) {
    let folder = reports().run_folder(&run.scenario.name, &run.run_id);
    let journal = fs::read_to_string(folder.join("events.jsonl")).expect("a journal");
    let lines: Vec<&str> = journal.lines().collect();
    let outside = |line: &&str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let waits = |name| line["stage"][name].as_f64().unwrap_or_default();
        waits("quotes") + waits("bystanders")
    };
    let longest = (0..lines.len())
        .max_by(|a, b| outside(&lines[*a]).total_cmp(&outside(&lines[*b])))
        .expect("a line");
    let place = guide.path("reports").join(&run.scenario.name);
    let place = place.join(run.run_id.as_str());
    fs::create_dir_all(&place).expect("a folder");
    let told = lines[..=longest].join("\n") + "\n";
    fs::write(place.join("events.jsonl"), told).expect("a journal");
}

/// A copy of the project without its runs, in which a step waits instead of measuring.
fn project() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("it is in the project");
    for entry in fs::read_dir(root).expect("the project") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || ["target", "reports", "site"].contains(&&*name) {
            continue;
        }
        let copied = Command::new("cp")
            .arg("-R")
            .arg(entry.path())
            .arg(copy.path())
            .status();
        assert!(copied.expect("cp").success());
    }
    let wait = "touch begun\nuntil [ -e done ]; do sleep 0.1; done\n";
    fs::write(copy.path().join("scripts/run.sh"), wait).expect("a script");
    copy
}

fn light(browser: &Chromium) -> Tab {
    let mut tab = browser.tab();
    tab.size(1280, 800);
    tab.prefer("light");
    tab
}

/// Writes what a tab shows, once it stands still.
fn keep(file: &str, tab: &mut Tab) {
    tab.resolve("document.fonts.ready.then(() => 0)");
    let still = "Promise.all(document.getAnimations().filter(one => one.playState === 'running' \
                 && one.effect.getComputedTiming().iterations !== Infinity).map(one => one.finished)).then(() => 0)";
    tab.resolve(still);
    let picture = tab.picture();
    assert!(
        picture.len() <= LARGEST,
        "{file} has {} bytes",
        picture.len()
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/pictures");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(file), picture).expect("a picture");
}
