//! The stage in the reports of real runs, those that `make demo` left: what it shows is what the run's data say, at its
//! worst and at each moment that the script moves it to. Runs of the steps for after the event, which not everybody has,
//! are recorded in `tests/fixtures/recorded`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lab_record::{Frame, Others, Reports, Run};
use lab_say::note;

use super::{
    attack::Guide,
    chromium::{Chromium, Tab},
};

const CELLS: &str = "[...document.querySelectorAll('figure.stage [data-kind=cells] > .cell')]";

/// Steps for after the event.
pub(super) const AFTERWARDS: [&str; 3] = ["retries", "shutdown", "shedding"];

/// The words of a row that reach its tokens.
const HIDDEN: &str = "[...document.querySelectorAll('figure.stage .tokens .cell:first-child')].map(cell => \
                      [cell, cell.closest('[data-kind]').querySelector('text:not(.more)')]).filter(([cell, words]) => \
                      words.getBoundingClientRect().right > cell.getBoundingClientRect().left)\
                      .map(([, words]) => words.textContent).join()";

/// The newest judged run of a scenario with a code, where it has a stage, else the one that is recorded. Without one the test
/// is skipped, but not where a browser is required: there `make demo` came before.
pub(super) fn newest(name: &str, scenario: &str, code: &str) -> Option<Run> {
    let run = left(scenario, code).or_else(|| recording(scenario, code));
    if run.is_none() {
        assert!(
            std::env::var_os("LAB_REQUIRE_BROWSER").is_none(),
            "there is no run of {scenario} with the code {code} and a stage; `make demo` makes them"
        );
        note!(
            "SKIPPED {name}: no run of {scenario} with the code {code} has a stage; make demo makes them"
        );
    }
    run
}

fn left(scenario: &str, code: &str) -> Option<Run> {
    let reports = reports();
    reports
        .briefs(scenario)
        .filter(|brief| brief.code == code && brief.outcome.judges())
        .find_map(|brief| reports.run(scenario, &brief.run_id).ok())
        .filter(|run| run.stage.is_some())
}

/// A run of `make demo ALL=1` as it is recorded, less what no stage shows.
pub(super) fn recording(scenario: &str, code: &str) -> Option<Run> {
    let text = fs::read_to_string(record(scenario, code)).ok()?;
    Some(serde_json::from_str(&text).expect("the data of a run"))
}

fn record(scenario: &str, code: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.join(format!("tests/fixtures/recorded/{scenario}-{code}.json"))
}

/// For whoever changes a stage of those steps: `make demo ALL=1`, then this test by its name with `--ignored`.
#[test]
#[ignore = "it writes fixtures"]
fn are_recorded() {
    for (scenario, code) in AFTERWARDS
        .iter()
        .flat_map(|scenario| [(scenario, "starter"), (scenario, "solved")])
    {
        let mut run = left(scenario, code).expect("a run");
        let stage = serde_json::to_string(&run.stage).expect("a stage");
        let is_shown = |id: &str| stage.contains(&format!("\"series\":\"{id}\""));
        run.series.retain(|series| is_shown(&series.id));
        run.scenario.toml.clear();
        run.host.kernel.clear();
        run.versions.clear();
        run.sources.clear();
        run.events.clear();
        run.pauses.clear();
        let text = serde_json::to_string(&run).expect("a run");
        fs::write(record(scenario, code), text + "\n").expect("a file");
    }
}

pub(super) fn reports() -> Reports {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    Reports::at(
        package
            .parent()
            .expect("it is in the project")
            .join("reports"),
    )
}

/// Its report, as it is made today.
fn report(folder: &Path, run: &Run) -> PathBuf {
    let report = lab_report::write_run(&Reports::at(folder), run, &Others::default());
    report.expect("a report")
}

fn open(tab: &mut Tab, report: &Path) {
    tab.go(&format!("file://{}", report.display()));
    tab.wait("the stage", "document.querySelector('figure.stage svg')");
}

/// What the browser makes of the picture that belongs to a frame.
pub(super) fn drawn(tab: &mut Tab, run: &Run, frame: &Frame) -> String {
    let stage = run.stage.as_ref().expect("it has one");
    let picture = lab_stage::picture(stage, frame).into_string();
    let picture = serde_json::to_string(&picture).expect("a text");
    let drawn = format!(
        "(() => {{ const here = document.createElement('div'); here.innerHTML = {picture}; return here.innerHTML; }})()"
    );
    tab.eval(&drawn).as_str().expect("a picture").to_owned()
}

fn shown(tab: &mut Tab) -> String {
    let svg = tab.eval("document.querySelector('figure.stage svg').outerHTML");
    svg.as_str().expect("a picture").to_owned()
}

/// At its worst, what is told by an expression is so of the starter and not so of the reference.
fn is_told(name: &str, scenario: &str, expression: &str) {
    let (Some(browser), Some(starter), Some(solved)) = (
        Chromium::find(name),
        newest(name, scenario, "starter"),
        newest(name, scenario, "solved"),
    ) else {
        return;
    };
    for (run, told) in [(&starter, true), (&solved, false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tab = browser.tab();
        open(&mut tab, &report(folder.path(), run));
        let worst = run.worst_moment().expect("it was looked at");
        assert_eq!(shown(&mut tab), drawn(&mut tab, run, &worst));
        let words = tab.eval("document.querySelector('figure.stage svg').ariaLabel");
        assert_eq!(tab.eval(expression), told, "{}: {words}", run.code);
        assert_eq!(tab.eval(HIDDEN), "", "{}: words below tokens", run.code);
        moves_through_the_run(&mut tab, run);
        assert_eq!(tab.complaints(), Vec::<String>::new());
    }
}

/// With the slider at any moment the picture is the one that belongs to it.
fn moves_through_the_run(tab: &mut Tab, run: &Run) {
    let frames = run.frames();
    let last = frames.len() - 1;
    for n in (0..=last).step_by(last / 12 + 1).chain([last]) {
        let moved = "(slider => { slider.value = AT; slider.dispatchEvent(new Event('input')); })\
                     (document.querySelector('figure.stage input'))";
        tab.eval(&moved.replace("AT", &n.to_string()));
        assert_eq!(
            shown(tab),
            drawn(tab, run, &frames[n]),
            "{}: moment {n}",
            run.code
        );
        let when = tab.eval("document.querySelector('figure.stage .when').textContent");
        let when = when.as_str().unwrap_or_default().to_owned();
        assert!(when.contains(&format!("{:.1} s", frames[n].t_s)), "{when}");
    }
}

#[test]
fn all_slots_are_taken_in_step_1() {
    let all_taken = format!("!{CELLS}.some(cell => cell.matches('.free'))");
    is_told("all_slots_are_taken_in_step_1", "timeouts", &all_taken);
}

#[test]
fn all_connections_are_busy_in_step_2() {
    let all_taken = format!("!{CELLS}.some(cell => cell.matches('.free'))");
    is_told("all_connections_are_busy_in_step_2", "tx", &all_taken);
}

#[test]
fn all_workers_have_slow_jobs_in_step_3() {
    // One may just have gone to a fast one. The reference's may be all busy as well, but not with slow jobs.
    let all_slow = format!("{CELLS}.filter(cell => !cell.matches('.work')).length <= 1");
    is_told(
        "all_workers_have_slow_jobs_in_step_3",
        "bulkheads",
        &all_slow,
    );
}

#[test]
fn demand_is_beyond_all_pods_in_step_4() {
    let all = format!("!{CELLS}.some(cell => !cell.matches('.work'))");
    let beyond = format!("{all} && document.querySelector('[data-stage=demand] .over') !== null");
    is_told("demand_is_beyond_all_pods_in_step_4", "autoscale", &beyond);
}

#[test]
fn the_line_is_full_in_step_5() {
    // The reference's is what the cause leaves: less than half of the 200 places that the line has.
    let full = "parseInt(document.querySelector('[data-kind=waiting]').textContent) > 100";
    is_told("the_line_is_full_in_step_5", "retries", full);
}

#[test]
fn requests_fail_in_step_6() {
    let fail = "document.querySelector('[data-kind=refused] .tokens .cell') !== null";
    is_told("requests_fail_in_step_6", "shutdown", fail);
}

#[test]
fn more_wait_than_have_the_time_in_step_7() {
    // 40 a second are done of those who have 0.8 s to wait.
    let too_many = "parseInt(document.querySelector('[data-kind=waiting]').textContent) > 32";
    is_told(
        "more_wait_than_have_the_time_in_step_7",
        "shedding",
        too_many,
    );
}

/// The guide is of the same origin as what starts runs: of a report it lets run what moves the stage, and the report is
/// whole where nothing runs at all.
#[test]
fn a_stage_moves_in_the_guide_and_stays_where_nothing_runs() {
    let name = "a_stage_moves_in_the_guide_and_stays_where_nothing_runs";
    let (Some(browser), Some(run)) = (Chromium::find(name), newest(name, "timeouts", "starter"))
    else {
        return;
    };
    let guide = Guide::open();
    let file = report(&guide.path("reports"), &run);
    let mut tab = browser.tab();
    tab.go(&guide.link());
    tab.wait("the guide", "document.querySelector('.lab-run')");
    let path = file
        .strip_prefix(guide.path(""))
        .expect("it is in the guide's folder");
    tab.go(&format!("http://{}/{}", guide.host(), path.display()));
    tab.wait("a slider", "!document.querySelector('.scrub').hidden");
    moves_through_the_run(&mut tab, &run);
    assert_eq!(tab.complaints(), Vec::<String>::new());

    let mut still = browser.tab();
    still.without_scripts();
    open(&mut still, &file);
    assert_eq!(
        still.eval("document.querySelector('.scrub').checkVisibility()"),
        false
    );
    let worst = run.worst_moment().expect("it was looked at");
    assert_eq!(shown(&mut still), drawn(&mut still, &run, &worst));
}
