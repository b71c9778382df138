//! `driver run`: one run of one scenario, or several in turn with those of other code.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;
use console::style;
use lab_load::{Service, TlsOptions};
use lab_record::{Finite, Outcome, Run};
use lab_report::{Compared, WITH_BEGAN, WITH_PREVIOUS};
use lab_say::{note, say};

use super::{
    Ended, Place, Session, Variants,
    groups::{self, Groups},
    name,
};
use crate::{
    board::Posts,
    code::Code,
    guide,
    platform::{
        Platform,
        cluster::ClusterTarget,
        local::RunLock,
        target::{self, TargetPlatform},
    },
    run::{
        Order, Ran, run as run_order,
        terminal::{Mode, Terminal, print_checks, score_line},
    },
    scenario::{Scenario, step},
    score::watchable,
};

/// What to run.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The step of the workshop: its number, or the name of its scenario
    #[arg(required_unless_present = "scenario_file")]
    scenario: Option<String>,
    /// A scenario file of your own
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    scenario_file: Option<PathBuf>,
    /// Send the scenario's load to a running service of your own; on a cluster from load pods inside, where its name
    /// is as in `http://service.namespace`
    #[arg(
        long,
        value_name = "URL",
        requires = "scenario_file",
        conflicts_with = "against"
    )]
    target: Option<String>,
    #[command(flatten)]
    tls: Tls,
    /// How many load pods share the load, on a cluster [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    load_pods: Option<u32>,
    /// Which code: mine, starter, solved
    #[arg(long, default_value = "mine")]
    code: String,
    /// How many runs of it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// Other code to run in turn with it, first: A B A B …; the two groups are compared
    #[arg(long, value_name = "CODE", conflicts_with = "json")]
    against: Option<String>,
    /// What you guess that the step's question has for an answer, in its unit: kept with a run of the starter's text, and
    /// shown beside what the law says and what was measured
    #[arg(long, value_name = "NUMBER", value_parser = guessed, allow_negative_numbers = true, conflicts_with_all = ["against", "target"])]
    guess: Option<Finite>,
    /// Print events.jsonl to standard output as it grows, nothing else
    #[arg(long)]
    json: bool,
    /// Open the report, where a desktop is present
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    failing: Failing,
    #[command(flatten)]
    place: Place,
}

/// What follows from a FAIL.
#[derive(Debug, Args)]
struct Failing {
    /// Exit with 1 when the verdict is FAIL
    #[arg(long)]
    strict: bool,
    /// End the run, as FAIL without a score, once a check can't hold any more whatever comes; it is compared with none
    #[arg(long, conflicts_with = "against")]
    fail_fast: bool,
}

/// For an https target, as curl has them.
#[derive(Debug, Args)]
struct Tls {
    /// For an https target: trust the authorities whose certificates are in this file (PEM), and no others
    #[arg(long, value_name = "FILE", requires = "target")]
    cacert: Option<PathBuf>,
    /// For an https target that wants one: your own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "target")]
    cert: Option<PathBuf>,
    /// Its private key (PEM), where that is not in the same file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// For an https target: take any certificate of anybody
    #[arg(long, requires = "target", conflicts_with = "cacert")]
    insecure: bool,
}

impl Tls {
    fn options(&self) -> TlsOptions {
        TlsOptions {
            cacert: self.cacert.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            insecure: self.insecure,
        }
    }
}

/// A number that can be the answer to a question.
fn guessed(text: &str) -> Result<Finite, String> {
    let number = text.parse().ok().and_then(Finite::new);
    let number = number.filter(|number| number.get() >= 0.0);
    number.ok_or_else(|| {
        "a guess is a number from 0 up, with a point and without its unit, as in --guess 80"
            .to_owned()
    })
}

pub(super) async fn run(session: &Session, options: Options) -> Result<Ended> {
    let root = session.root.as_path();
    let scenario = match (&options.scenario, &options.scenario_file) {
        (_, Some(file)) => Scenario::read(file)?,
        (Some(name), None) => step(name)?,
        (None, None) => unreachable!("clap asks for one of them"),
    };
    options.place.check_platform()?;
    ensure!(
        options.load_pods.is_none() || options.place.platform == "k3d",
        "--load-pods is for a cluster (--platform k3d); on this machine the driver sends the load"
    );
    let scenario = options.place.fit(scenario);
    ensure!(
        options.guess.is_none() || scenario.guess.is_some(),
        "{} asks nothing that --guess could answer: its scenario has no `[guess]`; leave that out",
        scenario.name
    );
    if options.failing.fail_fast {
        tell_watched(&scenario)?;
    }
    let code = Code::parse(&options.code, &scenario)?;
    let against = options.against.as_deref();
    let against = against
        .map(|code| Code::parse(code, &scenario))
        .transpose()?;
    let _lock = RunLock::acquire(root, &format!("{} with {code} code", scenario.name))?;
    let variants = if [Some(&code), against.as_ref()]
        .into_iter()
        .flatten()
        .any(Code::is_variant)
    {
        Variants::All
    } else {
        Variants::Taught
    };
    let platform: Box<dyn Platform> = if let Some(url) = &options.target {
        target::check(&scenario)?;
        ensure!(
            code == Code::Mine,
            "--target runs the service that is there, whatever --code says; leave that out"
        );
        if options.place.platform == "k3d" {
            let base = target::Base::parse(url)?;
            base.check_for_pods(&options.tls.options())?;
            let cluster = options.place.cluster(session).await?;
            Box::new(ClusterTarget::new(cluster, base))
        } else {
            Box::new(TargetPlatform::at(url, &options.tls.options()).await?)
        }
    } else {
        check_served(&scenario)?;
        options.place.build(session, variants).await?
    };
    let reports = options.place.reports(root);
    let mut course = Course {
        options: &options,
        order: Order {
            root,
            scenario: &scenario,
            code,
            platform: platform.as_ref(),
            load_pods: options.load_pods.unwrap_or(1),
            fail_fast: options.failing.fail_fast,
            guess: options.guess,
            reports: &reports,
            interrupt: &session.interrupt,
        },
        against,
        groups: Groups::default(),
    };
    let ended = course.run().await?;
    let several = course.groups.a.len() + course.groups.b.len() > 1;
    if several && !options.json {
        groups::show(&reports, &course.groups)?;
    }
    Ok(ended)
}

/// Refuses a scenario that sends to a service which it doesn't start.
fn check_served(scenario: &Scenario) -> Result<()> {
    let api = scenario.services.api.as_ref();
    let needs = |service: Service| match service {
        Service::Api => api.is_none().then_some("a table `[services.api]`"),
        Service::Worker => {
            let worker = scenario.services.worker.as_ref();
            worker.is_none().then_some("a table `[services.worker]`")
        }
        Service::Auditor => {
            let has_ledger = api.is_some_and(|api| api.database);
            (!has_ledger).then_some("`database = true` in `[services.api]`")
        }
        Service::Dep => None,
    };
    for class in &scenario.classes {
        if let Some(missing) = needs(class.service) {
            bail!(
                "class `{}` of {} asks `{}`, which nothing starts: give the scenario {missing}, or name a service of \
                 your own with --target URL",
                class.name,
                scenario.name,
                class.service
            );
        }
    }
    Ok(())
}

/// Says which checks may end the run; refuses a scenario in which none can.
fn tell_watched(scenario: &Scenario) -> Result<()> {
    let watched = watchable(scenario);
    let all = scenario.checks.iter().map(|check| check.id.as_str());
    let others: Vec<&str> = all.filter(|id| !watched.contains(id)).collect();
    ensure!(
        !watched.is_empty(),
        "--fail-fast can watch none of the checks of {}: of each the rest of a run may make anything; run it without",
        scenario.name
    );
    let mut text = format!("fail-fast watches {}", watched.join(", "));
    if !others.is_empty() {
        text = format!(
            "{text}; not, because only the end tells: {}",
            others.join(", ")
        );
    }
    note!("  {text}");
    Ok(())
}

/// The runs of one command.
struct Course<'a> {
    options: &'a Options,
    order: Order<'a>,
    against: Option<Code>,
    groups: Groups,
}

impl Course<'_> {
    /// All rounds. Ends early where somebody asks for the end.
    async fn run(&mut self) -> Result<Ended> {
        let mut ended = Ended::Well;
        for _ in 0..self.options.repeat {
            if let Some(other) = self.against.clone() {
                let own = std::mem::replace(&mut self.order.code, other);
                let ran = self.once().await?;
                self.order.code = own;
                if ran.interrupted {
                    return Ok(Ended::Interrupted);
                }
                self.groups.a.push(ran.run);
            }
            let ran = self.once().await?;
            ended = match ran.run.verdict.outcome {
                _ if ran.interrupted => return Ok(Ended::Interrupted),
                Outcome::Invalid => Ended::Invalid,
                Outcome::Fail if self.options.failing.strict && ended == Ended::Well => {
                    Ended::Failed
                }
                Outcome::Fail | Outcome::Pass | Outcome::Cancelled => ended,
            };
            self.groups.b.push(ran.run);
        }
        Ok(ended)
    }

    async fn once(&self) -> Result<Ran> {
        let mut terminal = Terminal::new(Mode::detect(self.options.json));
        // What earlier runs have left for the board goes there while this one is being prepared.
        let (mut posts, complaint) = Posts::begin(self.order.root);
        let ran = run_order(&self.order, &mut terminal).await?;
        let last = self.options.repeat == 1 && self.against.is_none();
        let shared = name::shared(self.order.root, &ran.run);
        let mut of_the_board: Vec<String> = complaint.into_iter().collect();
        if let Some(shared) = &shared {
            of_the_board.extend(posts.share(&shared.code).await);
        }
        if !self.options.json {
            show(&ran);
            if self.options.guess.is_some() && ran.run.answer().is_none() {
                note!("  {}", unanswered(&ran.run));
            }
            if let Some(shared) = &shared {
                shared.tell();
            }
            if last && ran.run.scenario.step.is_some() {
                say!(
                    "  next     {}",
                    guide::next(self.order.root, self.order.reports)?
                );
            }
        }
        if let Some(report) = &ran.left.report
            && self.options.open
            && last
            && !ran.interrupted
            && has_desktop()
            // The run is kept, and its link is above.
            && let Err(error) = open::that_detached(report)
        {
            note!("no browser opens the report: {error}");
        }
        // Whoever asks for the end has it now.
        tokio::select! {
            settled = posts.settle() => of_the_board.extend(settled),
            () = self.order.interrupt.cancelled() => {}
        }
        for line in of_the_board {
            note!("  board    {line}");
        }
        ran.kept()
    }
}

/// Why a guess is left as it was.
fn unanswered(run: &Run) -> &'static str {
    if run.guess.is_none() {
        "your guess is about the starter, and another text ran; so it is not kept with this run"
    } else {
        "this run answers no guess; give yours again with the next one"
    }
}

/// Prints what came of a run: the checks, the line to share, the links.
pub(super) fn show(ran: &Ran) {
    print_checks(&ran.run);
    let line = score_line(&ran.run);
    let line = match ran.run.verdict.outcome {
        Outcome::Pass => style(line).green().bold(),
        Outcome::Fail => style(line).red().bold(),
        Outcome::Invalid | Outcome::Cancelled => style(line).yellow().bold(),
    };
    say!("{line}");
    if let Some(guess) = ran.run.answer() {
        say!("  guess    {}", guess.line());
        say!("           {}", guess.sum);
    }
    if let Some(report) = &ran.left.report {
        say!("  report   {}", report.display());
    }
    let Compared {
        began,
        previous,
        changed_since,
    } = &ran.left.compared;
    for (with, page) in [(WITH_BEGAN, began), (WITH_PREVIOUS, previous)] {
        if let Some(page) = page {
            say!("  compare  {with}: {}", page.display());
        }
    }
    if let Some(run) = changed_since {
        say!("  compare  with nothing: the scenario changed since {run}");
    } else if began.is_none()
        && let Some(way) = ran.run.way_to_a_start()
    {
        say!("  compare  with nothing: {}", way.replace('`', ""));
    }
}

/// Whether a browser would open anywhere: not in CI, and on Linux only with a display.
fn has_desktop() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let display = !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY");
    display && !set("CI") && !set("SSH_CONNECTION")
}
