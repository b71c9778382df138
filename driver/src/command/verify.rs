//! `driver verify`: the strict one. The starter must fail and the reference pass, every cheat must fail, each by
//! a check that names the reason, and every other fix must pass.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use console::style;
use lab_record::{Outcome, Part, Reports};
use lab_say::say;

use super::{Ended, Place, Session, Variants, disturbance, wanted};
use crate::{
    code::Code,
    platform::local::RunLock,
    run::{
        Order, Ran, run,
        terminal::{Mode, Terminal},
    },
    scenario::{Scenario, step, steps},
};

/// How often a run is taken again where what disturbed it, and not the code, may have decided.
const AGAIN: u32 = 2;

/// What to verify.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Only these steps, by number or scenario
    scenarios: Vec<String>,
    /// How often to run each
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Only these codes, e.g. starter, solved, cheat:no-call or fix:no-queue
    #[arg(long = "code")]
    codes: Vec<String>,
    /// What is left to see after `demo`, which wants the same of the hour's starters and references: the fixes, each cheat
    /// until a check can't hold any more, and all of the steps after the event
    #[arg(long, conflicts_with = "codes")]
    quick: bool,
    /// Keep every core busy beside the runs
    #[arg(long)]
    busy: bool,
    #[command(flatten)]
    place: Place,
}

/// A code of a scenario and how its runs ended.
struct Row {
    scenario: String,
    code: Code,
    wanted: Outcome,
    right: u32,
    wrong: u32,
    /// What disturbed the runs that were taken again.
    again: Vec<String>,
}

pub(super) async fn verify(session: &Session, options: Options) -> Result<Ended> {
    let root = session.root.as_path();
    options.place.check_platform()?;
    let reports = match &options.place.reports {
        Some(folder) => Reports::at(folder),
        // Cheats are no part of a participant's history.
        None => Reports::at(root.join(".lab/verify")),
    };
    let _lock = RunLock::acquire(root, "verify")?;
    let platform = options.place.build(session, Variants::All).await?;
    let _load = options.busy.then(BusyCores::start).transpose()?;
    let scenarios = scenarios(&options.scenarios)?;
    let mut rows = rows(&scenarios, |scenario, code| options.wants(scenario, code))?;
    for round in 1..=options.rounds {
        for row in &mut rows {
            let scenario = scenarios
                .iter()
                .find(|scenario| scenario.name == row.scenario);
            let order = Order {
                root,
                scenario: scenario.context("a row without its scenario")?,
                code: row.code.clone(),
                platform: platform.as_ref(),
                load_pods: 1,
                fail_fast: options.quick && row.wanted == Outcome::Fail,
                guess: None,
                reports: &reports,
                interrupt: &session.interrupt,
            };
            let mut ran = run(&order, &mut Terminal::new(Mode::Quiet)).await?.kept()?;
            for _ in 0..AGAIN {
                let Some(disturbance) = disturbance(&ran.run, row.wanted) else {
                    break;
                };
                say!("round {round}  {}", row.line("AGAIN", &ran));
                row.again.push(disturbance);
                ran = run(&order, &mut Terminal::new(Mode::Quiet)).await?.kept()?;
            }
            if ran.interrupted {
                return Ok(Ended::Interrupted);
            }
            row.count(&ran);
            say!("round {round}  {}", row.line(row.sign(&ran), &ran));
        }
    }
    say!(
        "\nall runs: {}",
        reports.root().join("index.html").display()
    );
    Ok(sum_up(&rows))
}

fn scenarios(names: &[String]) -> Result<Vec<Scenario>> {
    if names.is_empty() {
        return Ok(steps()?);
    }
    names.iter().map(|name| Ok(step(name)?)).collect()
}

impl Options {
    fn wants(&self, scenario: &Scenario, code: &Code) -> bool {
        let named = || self.codes.is_empty() || self.codes.contains(&code.to_string());
        *code != Code::Mine
            && if self.quick {
                code.is_variant() || scenario.part() == Part::Afterwards
            } else {
                named()
            }
    }
}

fn rows(scenarios: &[Scenario], wanted: impl Fn(&Scenario, &Code) -> bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for scenario in scenarios {
        let codes = Code::all(scenario).into_iter();
        let codes = codes.filter(|code| wanted(scenario, code));
        rows.extend(codes.map(|code| Row::new(scenario, code)));
    }
    anyhow::ensure!(
        !rows.is_empty(),
        "no such code in these scenarios; `driver run STEP --code list` names those there are"
    );
    Ok(rows)
}

impl Row {
    fn new(scenario: &Scenario, code: Code) -> Self {
        Self {
            scenario: scenario.name.clone(),
            wanted: wanted(&code),
            code,
            right: 0,
            wrong: 0,
            again: Vec::new(),
        }
    }

    /// A run that is INVALID to the last counts neither way.
    fn count(&mut self, ran: &Ran) {
        let outcome = ran.run.verdict.outcome;
        if outcome == self.wanted {
            self.right += 1;
        } else if outcome.judges() {
            self.wrong += 1;
        }
    }

    fn sign(&self, ran: &Ran) -> &'static str {
        let outcome = ran.run.verdict.outcome;
        if outcome == self.wanted {
            "right"
        } else if outcome.judges() {
            "WRONG"
        } else {
            "NONE "
        }
    }

    fn line(&self, sign: &str, ran: &Ran) -> String {
        let run = &ran.run;
        let sign = match sign {
            "right" => style(sign).green(),
            _ => style(sign).red(),
        };
        let score = run
            .verdict
            .score
            .map_or("–".to_owned(), |score| score.to_string());
        let failed = run.checks.iter().filter(|check| !check.passed);
        let caught: Vec<String> = failed
            .map(|check| format!("{} {}", check.id, check.seen))
            .collect();
        let caught = if caught.is_empty() {
            String::new()
        } else {
            format!("  caught by {}", caught.join(", "))
        };
        format!(
            "{sign}  {:10} {:22} {:12} {score:>3}{caught}",
            self.scenario,
            self.code.to_string(),
            run.verdict_words()
        )
    }
}

fn sum_up(rows: &[Row]) -> Ended {
    say!("\nverdicts that were right:");
    for row in rows {
        let runs = row.right + row.wrong;
        let again = if row.again.is_empty() {
            String::new()
        } else {
            format!(
                "  ({} taken again: {})",
                row.again.len(),
                row.again.join("; ")
            )
        };
        say!(
            "  {:10} {:22} {:>2} of {runs}{again}",
            row.scenario,
            row.code.to_string(),
            row.right
        );
    }
    let wrong: u32 = rows.iter().map(|row| row.wrong).sum();
    let unmeasured = rows.iter().filter(|row| row.right + row.wrong == 0).count();
    say!(
        "{} passed, {} failed",
        rows.len() - rows.iter().filter(|row| row.wrong > 0).count() - unmeasured,
        rows.len().min(wrong as usize + unmeasured)
    );
    match (wrong, unmeasured) {
        (0, 0) => Ended::Well,
        (0, _) => Ended::Invalid,
        _ => Ended::Failed,
    }
}

/// A busy loop on each core, in processes of their own, so that the driver's own figures stay its
/// own. They end when they are dropped, or when this process is gone.
struct BusyCores(Vec<Child>);

impl BusyCores {
    fn start() -> Result<Self> {
        // `cat` on its pipe keeps the loop's end tied to ours: when the pipe closes, it is killed.
        const LOOP: &str = "(while :; do :; done) & spin=$!; cat >/dev/null; kill $spin";
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            Command::new("sh")
                .args(["-c", LOOP])
                .stdin(Stdio::piped())
                .spawn()
        };
        let children = (0..cores).map(start).collect::<std::io::Result<_>>();
        Ok(Self(children.context("can't start a busy loop")?))
    }
}

impl Drop for BusyCores {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            // It ends by itself now; waiting only keeps the process table clean.
            let _ = child.wait();
        }
    }
}
