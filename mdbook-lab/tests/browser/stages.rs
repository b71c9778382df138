//! The stage in the reports of real runs, those that `make demo` left: what it shows is what the run's data say, at its
//! worst and at each moment that the script moves it to.

use std::path::{Path, PathBuf};

use lab_record::{Frame, Others, Reports, Run};
use lab_say::note;

use super::{
    attack::Guide,
    chromium::{Chromium, Tab},
};

const CELLS: &str = "[...document.querySelectorAll('figure.stage [data-kind=cells] > .cell')]";

/// The newest judged run of a scenario with a code, where it has a stage. Without one the test is skipped, but not where
/// a browser is required: there `make demo` came before.
pub(super) fn newest(name: &str, scenario: &str, code: &str) -> Option<Run> {
    let reports = reports();
    let run = reports
        .briefs(scenario)
        .filter(|brief| brief.code == code && brief.outcome.judges())
        .find_map(|brief| reports.run(scenario, &brief.run_id).ok())
        .filter(|run| run.stage.is_some());
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
fn drawn(tab: &mut Tab, run: &Run, frame: &Frame) -> String {
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
