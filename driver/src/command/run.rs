//! `driver run`: one run of one scenario.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use console::style;
use lab_record::Outcome;

use super::{Ended, Place, Session, Variants};
use crate::{
    code::Code,
    platform::local::RunLock,
    run::{
        Order, Ran, run as run_order,
        terminal::{Mode, Terminal, print_checks, score_line},
    },
    scenario::{Scenario, built_in},
};

/// What to run.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Name of the scenario: timeouts, tx, bulkheads or autoscale
    #[arg(required_unless_present = "scenario_file")]
    scenario: Option<String>,
    /// A scenario file of your own
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    scenario_file: Option<PathBuf>,
    /// Which code: mine, starter, solved
    #[arg(long, default_value = "mine")]
    code: String,
    /// Print events.jsonl to standard output as it grows, nothing else
    #[arg(long)]
    json: bool,
    /// Exit with 1 when the verdict is FAIL
    #[arg(long)]
    strict: bool,
    /// Open the report, where a desktop is present
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(session: &Session, options: Options) -> Result<Ended> {
    let root = session.root.as_path();
    let scenario = match (&options.scenario, &options.scenario_file) {
        (_, Some(file)) => Scenario::read(file)?,
        (Some(name), None) => built_in(name)?,
        (None, None) => unreachable!("clap asks for one of them"),
    };
    options.place.check_platform()?;
    let scenario = options.place.fit(scenario);
    let code = Code::parse(&options.code, &scenario)?;
    let _lock = RunLock::acquire(root, &format!("{} with {code} code", scenario.name))?;
    let variants = if matches!(code, Code::Cheat(_)) {
        Variants::WithCheats
    } else {
        Variants::Taught
    };
    let platform = options.place.build(session, variants).await?;
    let order = Order {
        root,
        scenario: &scenario,
        code,
        platform: platform.as_ref(),
        reports: &options.place.reports(root),
        interrupt: &session.interrupt,
    };
    let mut terminal = Terminal::new(Mode::detect(options.json));
    let ran = run_order(&order, &mut terminal).await?;
    if !options.json {
        show(&ran);
    }
    if options.open && !ran.interrupted && has_desktop() {
        open::that_detached(&ran.report).context("can't open the report in a browser")?;
    }
    Ok(match ran.run.verdict.outcome {
        _ if ran.interrupted => Ended::Interrupted,
        Outcome::Invalid => Ended::Invalid,
        Outcome::Fail if options.strict => Ended::Failed,
        Outcome::Fail | Outcome::Pass => Ended::Well,
    })
}

/// Prints what came of a run: the checks, the line to share, the links.
pub(super) fn show(ran: &Ran) {
    print_checks(&ran.run);
    let line = score_line(&ran.run);
    let line = match ran.run.verdict.outcome {
        Outcome::Pass => style(line).green().bold(),
        Outcome::Fail => style(line).red().bold(),
        Outcome::Invalid => style(line).yellow().bold(),
    };
    println!("{line}");
    println!("  report   {}", ran.report.display());
    if let Some(comparison) = &ran.comparison {
        println!("  compare  {}", comparison.display());
    }
}

/// Whether a browser would open anywhere: not in CI, and on Linux only with a display.
fn has_desktop() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let display = !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY");
    display && !set("CI") && !set("SSH_CONNECTION")
}
