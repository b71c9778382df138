//! `driver verify`: the strict one. The starter must fail and the reference pass, every cheat must fail, each by
//! a check that names the reason, and every other fix must pass.

use std::{
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use console::style;
use lab_record::{Outcome, Part, Reports};
use lab_say::say;

use super::{Ended, Place, Session, Variants, disturbance, wanted};
use crate::{
    code::Code,
    platform::{Platform, local::RunLock},
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
    /// How many runs beside each other; those of a step that is about CPU take turns all the same
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    lanes: u32,
    #[command(flatten)]
    place: Place,
}

/// A code of a scenario and how its runs ended.
struct Row {
    scenario: Scenario,
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
    ensure!(
        options.lanes == 1 || platform.is_sent_from_here(),
        "a cluster has one run at a time; leave `--lanes` out"
    );
    let _load = options.busy.then(BusyCores::start).transpose()?;
    let scenarios = scenarios(&options.scenarios)?;
    let mut rows = rows(&scenarios, |scenario, code| options.wants(scenario, code))?;
    let verification = Verification {
        session,
        quick: options.quick,
        platform: platform.as_ref(),
        reports: &reports,
    };
    for round in 1..=options.rounds {
        let (alone, beside): (Vec<_>, Vec<_>) = rows.iter_mut().partition(|row| row.is_about_cpu());
        for (lanes, rows) in [(options.lanes, beside), (1, alone)] {
            if verification.in_lanes(lanes, round, rows)? == Ended::Interrupted {
                return Ok(Ended::Interrupted);
            }
        }
    }
    say!(
        "\nall runs: {}",
        reports.root().join("index.html").display()
    );
    Ok(sum_up(&rows))
}

/// What all runs have in common.
struct Verification<'a> {
    session: &'a Session,
    quick: bool,
    platform: &'a dyn Platform,
    reports: &'a Reports,
}

impl Verification<'_> {
    /// So many at once, each in a thread of its own, so that none waits while another is scored. What ends one ends all.
    fn in_lanes(&self, lanes: u32, round: u32, rows: Vec<&mut Row>) -> Result<Ended> {
        let runtime = tokio::runtime::Handle::current();
        let left = Mutex::new(rows.into_iter());
        let next = || left.lock().expect("no lane panics with the rows").next();
        let lane = || {
            while let Some(row) = next() {
                let ended = runtime.block_on(self.check(round, row));
                if !matches!(ended, Ok(Ended::Well)) {
                    while next().is_some() {}
                    return ended;
                }
            }
            Ok(Ended::Well)
        };
        let ends = tokio::task::block_in_place(|| {
            thread::scope(|scope| {
                let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
                let join = |lane: thread::ScopedJoinHandle<'_, _>| lane.join();
                lanes.into_iter().map(join).collect::<Vec<_>>()
            })
        });
        let mut all = Ended::Well;
        for end in ends {
            let end: Result<Ended> = end.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if end? == Ended::Interrupted {
                all = Ended::Interrupted;
            }
        }
        Ok(all)
    }

    /// One run of a row, and another where the machine and not the code may have decided.
    async fn check(&self, round: u32, row: &mut Row) -> Result<Ended> {
        let order = Order {
            root: self.session.root.as_path(),
            scenario: &row.scenario,
            code: row.code.clone(),
            platform: self.platform,
            load_pods: 1,
            fail_fast: self.quick && row.wanted == Outcome::Fail,
            guess: None,
            reports: self.reports,
            interrupt: &self.session.interrupt,
        };
        let mut again = Vec::new();
        let mut ran = run(&order, &mut Terminal::new(Mode::Quiet)).await?.kept()?;
        for _ in 0..AGAIN {
            let Some(disturbance) = disturbance(&ran.run, row.wanted) else {
                break;
            };
            say!("round {round}  {}", row.line("AGAIN", &ran));
            again.push(disturbance);
            ran = run(&order, &mut Terminal::new(Mode::Quiet)).await?.kept()?;
        }
        if ran.interrupted {
            return Ok(Ended::Interrupted);
        }
        row.again.append(&mut again);
        row.count(&ran);
        say!("round {round}  {}", row.line(row.sign(&ran), &ran));
        Ok(Ended::Well)
    }
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
    ensure!(
        !rows.is_empty(),
        "no such code in these scenarios; `driver run STEP --code list` names those there are"
    );
    Ok(rows)
}

impl Row {
    fn new(scenario: &Scenario, code: Code) -> Self {
        Self {
            scenario: scenario.clone(),
            wanted: wanted(&code),
            code,
            right: 0,
            wrong: 0,
            again: Vec::new(),
        }
    }

    /// Whether its replicas want all the CPU that their limits allow.
    fn is_about_cpu(&self) -> bool {
        let api = self.scenario.services.api.as_ref();
        api.is_some_and(|api| api.autoscaled)
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
            self.scenario.name,
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
            row.scenario.name,
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
