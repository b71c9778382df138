//! `driver demo`: the hour of the workshop in one go, as a facilitator wants to see it.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use console::style;
use lab_record::{Outcome, Part};
use lab_say::{note, reason, say};

use super::{Ended, Place, Session, Variants, disturbance, run::show, wanted};
use crate::{
    code::Code,
    platform::local::{RunLock, lacks_postgres},
    run::{
        Order, Ran, run,
        terminal::{Mode, Terminal},
    },
    scenario::{Scenario, steps},
};

/// What to run, and where.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The steps after the event as well
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn demo(session: &Session, options: Options) -> Result<Ended> {
    let root = session.root.as_path();
    options.place.check_platform()?;
    let reports = options.place.reports(root);
    let _lock = RunLock::acquire(root, "demo")?;
    let platform = options.place.build(session, Variants::Taught).await?;
    let started = Instant::now();
    let mut rows = Vec::new();
    let mut left_out = Vec::new();
    let (shown, later) = shown(steps()?, options.all);
    for scenario in shown {
        say!("\n{}", style(&scenario.title).bold());
        for code in [Code::Starter, Code::Solved] {
            let order = Order {
                root,
                scenario: &scenario,
                code,
                platform: platform.as_ref(),
                load_pods: 1,
                fail_fast: false,
                guess: None,
                reports: &reports,
                interrupt: &session.interrupt,
            };
            let begun = Instant::now();
            match measure(&order).await {
                Ok(ran) => {
                    if ran.interrupted {
                        return Ok(Ended::Interrupted);
                    }
                    rows.push((ran, order.code, begun.elapsed()));
                }
                // Without PostgreSQL the other scenarios are still worth having.
                Err(error) if lacks_postgres(&error) => {
                    let name = scenario.name.clone();
                    note!(
                        "{}: {}",
                        style(format!("{name} left out")).yellow(),
                        reason(error.as_ref())
                    );
                    left_out.push(name);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    say!(
        "\n{}",
        style(format!(
            "The demo took {:.0} s.",
            started.elapsed().as_secs_f64()
        ))
        .bold()
    );
    for (ran, _, took) in &rows {
        say!("  {}  ({:.0} s)", row(ran), took.as_secs_f64());
    }
    if !left_out.is_empty() {
        say!("  left out for want of PostgreSQL: {}", left_out.join(", "));
    }
    if !later.is_empty() {
        say!(
            "  for after the event: {} (make demo ALL=1 shows them, too)",
            later.join(", ")
        );
    }
    say!(
        "  all runs and comparisons: {}",
        reports.root().join("index.html").display()
    );
    let invalid = rows
        .iter()
        .any(|(ran, ..)| ran.run.verdict.outcome == Outcome::Invalid);
    let as_taught = rows
        .iter()
        .all(|(ran, code, _)| ran.run.verdict.outcome == wanted(code));
    Ok(match (as_taught && left_out.is_empty(), invalid) {
        (true, _) => Ended::Well,
        (false, true) => Ended::Invalid,
        (false, false) => Ended::Failed,
    })
}

/// The steps to show, and the names of those that are left for after the event.
fn shown(steps: Vec<Scenario>, all: bool) -> (Vec<Scenario>, Vec<String>) {
    let is_shown = |step: &Scenario| all || step.part() == Part::Hour;
    let (shown, later): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_shown);
    (shown, later.into_iter().map(|step| step.name).collect())
}

/// Runs and shows it, and once more where it did not end as wanted and was disturbed.
async fn measure(order: &Order<'_>) -> Result<Ran> {
    let ran = run(order, &mut Terminal::new(Mode::detect(false))).await?;
    show(&ran);
    let ran = ran.kept()?;
    let Some(disturbance) = disturbance(&ran.run, wanted(&order.code)) else {
        return Ok(ran);
    };
    say!("  That measurement was disturbed, so it is taken once more. {disturbance}");
    let ran = run(order, &mut Terminal::new(Mode::detect(false))).await?;
    show(&ran);
    ran.kept()
}

fn row(ran: &Ran) -> String {
    let run = &ran.run;
    let headline = run.headline().map_or("", |check| check.seen.as_str());
    let title = run.headline().map_or("", |check| check.title.as_str());
    let score = run
        .verdict
        .score
        .map_or("–".to_owned(), |score| score.to_string());
    format!(
        "{:10} {:8} {:12} {score:>3}  {headline:>10}  {title}",
        run.scenario.name,
        run.code,
        run.verdict_words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_after_the_event_is_shown_where_all_is_wanted() {
        let afterwards = |step: &Scenario| step.part() == Part::Afterwards;
        let mut steps = steps().unwrap();
        let lesson = steps[1].lesson.as_mut().expect("a step");
        lesson.part = Part::Afterwards;
        let (name, count) = (steps[1].name.clone(), steps.len());
        let (hour, later) = shown(steps.clone(), false);
        assert!(!hour.iter().any(afterwards) && later.contains(&name));
        assert_eq!(hour.len() + later.len(), count);
        let (all, later) = shown(steps, true);
        assert_eq!((all.len(), later.len()), (count, 0));
    }
}
