//! Real runs of the steps for after the event, told once more by a journal: in the panel of a page and on the wall the stage
//! is that of each moment, and at the end the wall has the moment that the report opens at.

use std::{collections::BTreeMap, fs, io::Write};

use lab_record::{Frame, Line, Outcome, Run, Tick};

use super::{
    attack::Guide,
    chromium::Tab,
    live::{FITS, wall},
    open,
    stages::{AFTERWARDS, drawn, recording},
    text,
};

/// What comes so soon after another moment the panel passes over, seconds.
const TOO_SOON: f64 = 0.2;

/// Appends to the journal of a run in the guide's project.
fn tell(guide: &Guide, run: &Run, lines: &[Line]) {
    let folder = guide.path("reports").join(&run.scenario.name);
    let folder = folder.join(run.run_id.as_str());
    fs::create_dir_all(&folder).expect("a folder");
    let mut journal = fs::OpenOptions::new();
    let journal = journal
        .create(true)
        .append(true)
        .open(folder.join("events.jsonl"));
    let text: String = (lines.iter())
        .map(|line| serde_json::to_string(line).expect("a line") + "\n")
        .collect();
    journal
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("written");
}

/// Its first lines.
fn begun(run: &Run) -> [Line; 2] {
    let started = Line::Started {
        run_id: run.run_id.clone(),
        scenario: run.scenario.name.clone(),
        code: run.code.clone(),
        planned_s: run.duration_s,
    };
    let planned = Line::Planned {
        phases: run.phases.clone(),
        classes: Vec::new(),
        scales: false,
        stage: run.stage.clone().map(Box::new),
    };
    [started, planned]
}

/// A moment of its stage, with nothing beside it.
fn tick(run: &Run, frame: &Frame) -> Line {
    let phase = run.phases.iter().rfind(|phase| phase.start_s <= frame.t_s);
    Line::Tick(Tick {
        t_s: frame.t_s,
        phase: phase.map(|phase| phase.name.clone()).unwrap_or_default(),
        offered_per_s: 0.0,
        ok_per_s: 0.0,
        refused_per_s: 0.0,
        failed_per_s: 0.0,
        p95_ms: None,
        p95_ms_by_class: BTreeMap::new(),
        in_flight: 0,
        replicas: 0,
        stage: frame.values.clone(),
    })
}

/// Waits for a frame in an element of a page; then all of its picture is that of the frame.
fn wait(tab: &mut Tab, what: &str, within: &str, run: &Run, frame: &Frame) {
    let stage = run.stage.as_ref().expect("it has one");
    let words = serde_json::to_string(&lab_stage::words(stage, frame)).expect("a text");
    let svg = format!("document.querySelector('{within} svg')");
    tab.front();
    let what = format!("{}: {what}", run.scenario.name);
    tab.wait(&what, &format!("{svg}.ariaLabel === {words}"));
    let shown = tab.eval(&format!("{svg}.outerHTML"));
    assert_eq!(shown, drawn(tab, run, frame), "{what}");
}

#[test]
fn a_run_is_followed_to_the_moment_that_its_report_opens_at() {
    let name = "a_run_is_followed_to_the_moment_that_its_report_opens_at";
    let Some((guide, browser, mut page)) = open(name) else {
        return;
    };
    let mut wall = wall(&guide, &browser);
    let mut runs =
        AFTERWARDS.map(|scenario| recording(scenario, "starter").expect("it is recorded"));
    // The newest is the one that is followed.
    runs.sort_by(|a, b| a.run_id.cmp(&b.run_id));
    for run in &runs {
        let (frames, worst) = (run.frames(), run.worst_moment().expect("a moment"));
        let before = frames
            .iter()
            .filter(|frame| frame.t_s < worst.t_s - TOO_SOON);
        let until: Vec<Line> = before
            .chain([&worst])
            .map(|frame| tick(run, frame))
            .collect();
        tell(&guide, run, &begun(run));
        tell(&guide, run, &until);
        wait(&mut page, "the panel", ".lab-panel-stage", run, &worst);
        wait(&mut wall, "the wall", "#picture", run, &worst);
        wall.wait("all of it on the screen", FITS);

        let after = frames.iter().filter(|frame| frame.t_s > worst.t_s);
        let finished = Line::Finished {
            outcome: Outcome::Fail,
            score: run.verdict.score,
            validity: None,
        };
        let rest: Vec<Line> = after
            .map(|frame| tick(run, frame))
            .chain([finished])
            .collect();
        tell(&guide, run, &rest);
        let last = frames.last().expect("a moment");
        wait(&mut page, "its last", ".lab-panel-stage", run, last);
        wall.front();
        wall.wait(
            "the end",
            &format!("{} === 'at its worst:'", text("#phase")),
        );
        wait(&mut wall, "its worst", "#picture", run, &worst);
    }
    for tab in [&page, &wall] {
        assert_eq!(tab.complaints(), Vec::<String>::new());
    }
}
