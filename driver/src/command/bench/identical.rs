//! The same code, run again and again: how often two of its runs, or two groups of them, are called different.

use anyhow::{Result, bail};
use lab_record::{Reports, Run};
use lab_report::{
    Row,
    compare::{Change, Comparison, groups},
};
use lab_say::note;

use super::{Place, Session, Variants};
use crate::{
    code::Code,
    interrupt::Interrupted,
    run::{
        Order, run,
        terminal::{Mode, Terminal},
    },
    scenario::step,
};

const GROUP: &str = "Identical runs called different";
const RUNS: usize = 120;
/// A group of each code in turn.
const WINDOW: usize = 2 * groups::ENOUGH;
/// The scenario runs so many times as fast, to be done in minutes.
const FASTER: u32 = 6;

/// Runs the reference of step 1, short, with a fresh stack each time, and compares the runs as a participant would:
/// each with the next, and any ten that follow each other as five against five in turn.
pub(super) async fn identical(session: &Session, place: &Place) -> Result<Vec<Row>> {
    let mut scenario = step("timeouts")?;
    for phase in &mut scenario.phases {
        phase.duration /= FASTER;
    }
    let platform = place.build(session, Variants::Taught).await?;
    let folder = tempfile::tempdir()?;
    let reports = Reports::at(folder.path());
    let order = Order {
        root: session.root.as_path(),
        scenario: &scenario,
        code: Code::Solved,
        platform: platform.as_ref(),
        load_pods: 1,
        fail_fast: false,
        guess: None,
        reports: &reports,
        interrupt: &session.interrupt,
    };
    let mut runs = Vec::with_capacity(RUNS);
    for number in 1..=RUNS {
        if number % 10 == 1 {
            note!("identical runs, {number} of {RUNS} …");
        }
        let ran = run(&order, &mut Terminal::new(Mode::Quiet)).await?.kept()?;
        if ran.interrupted {
            bail!(Interrupted);
        }
        runs.push(ran.run);
    }
    let row = |name: &str, called: usize, all: usize| {
        let share = called as f64 / all as f64;
        let figure = format!("{called} of {all}, {:.1} %", share * 100.0);
        Row::figure(GROUP, name, figure).bar("≤ 5 %", share <= 0.05)
    };
    let pairs = runs.windows(2).filter(|pair| differ(&pair[0], &pair[1]));
    let windows = runs.windows(WINDOW).filter(|window| groups_differ(window));
    Ok(vec![
        row("one run and the next", pairs.count(), RUNS - 1),
        row(
            "five and five of ten that follow each other",
            windows.count(),
            RUNS + 1 - WINDOW,
        ),
    ])
}

/// Whether a direction is stated for any class.
fn differ(a: &Run, b: &Run) -> bool {
    let stated = |change| matches!(change, Change::Lower(_) | Change::Higher(_));
    let classes = Comparison::of(a, b).classes;
    classes.iter().any(|class| stated(class.change))
}

/// The same of every other run against those between.
fn groups_differ(runs: &[Run]) -> bool {
    let every_other = |from| {
        runs.iter()
            .skip(from)
            .step_by(2)
            .cloned()
            .collect::<Vec<_>>()
    };
    let classes = groups::compare(&every_other(0), &every_other(1));
    classes.iter().any(groups::GroupedClass::differs)
}
