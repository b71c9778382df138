//! The commands of the `driver` program: what a person can ask for, and the exit codes.

mod bench;
mod clean;
mod compare;
mod demo;
mod doctor;
mod edits;
mod export;
mod groups;
mod join;
mod name;
mod rerender;
mod restore;
mod run;
mod status;
mod up;
mod verify;

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use lab_record::{Outcome, Reports, Run, Validity};
use lab_say::note;
use tokio_util::sync::CancellationToken;

use crate::{
    code::Code,
    environment,
    interrupt::{self, Interrupted},
    limits,
    platform::{
        self, Platform,
        cluster::{self, ClusterPlatform, K3D_CONTEXT},
        local::{BuildError, LocalPlatform},
    },
    scenario::Scenario,
};

/// Runs a scenario against the services, watches them fail or hold, and says why.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 measured or done, 1 a strict run or verify failed, 2 error, 3 the measurement is invalid, 130 interrupted."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario: timeouts, tx, bulkheads or autoscale
    Run(run::Options),
    /// Run every scenario with the starter and with the reference
    Demo(demo::Options),
    /// Compare two runs, or two groups of runs, by ids or folders
    Compare(compare::Options),
    /// Write a run as CSV or OpenMetrics, for other tools
    Export(export::Options),
    /// Check that starters and cheats fail, references and other fixes pass
    Verify(verify::Options),
    /// Check this machine
    Doctor(doctor::Options),
    /// Make the pages in the reports folder again from their data
    Report(Place),
    /// Remove old runs from the reports folder: all but the newest of each scenario and what they are compared with
    CleanReports(clean::Options),
    /// Keep the services running on ports 30080 and 30081
    Up(up::Options),
    /// Stop what `up` started
    Down,
    /// Where you are: each step's latest run and best score, what you edit, and what to do next
    Status(status::Options),
    /// Put the reference of a step in place, after saving what is there
    Solve(edits::Options),
    /// Put the references of the steps before one in place, after saving what is there, for who comes late
    Catchup(edits::Options),
    /// List the saved texts of edit points, or put one back, after saving what is there
    Restore(restore::Options),
    /// Choose the name in your share codes, or see which it is
    Name(name::Options),
    /// Join the board of a room, where later runs post their codes, or leave it
    Join(join::Options),
    /// Restore every starter, after saving edits, and wipe what runs
    Reset,
    /// Measure the bars: the load engine beside its peers, the pages, what a participant waits for
    Bench(bench::Options),
    /// The process between the driver and its PostgreSQL
    #[command(hide = true)]
    PostgresGuard(platform::local::GuardArgs),
}

/// Where to run and where to leave the results.
#[derive(Clone, Debug, Args)]
struct Place {
    /// Where the services run: local or k3d
    #[arg(long, env = "PLATFORM", default_value = "local")]
    platform: String,
    /// Context of the kubeconfig that names the cluster, for --platform k3d
    #[arg(long, env = "LAB_CONTEXT", default_value = K3D_CONTEXT)]
    context: String,
    /// Namespace of that cluster for the run's objects, for --platform k3d
    #[arg(long, env = "LAB_NAMESPACE", default_value = cluster::NAMESPACE)]
    namespace: cluster::Namespace,
    /// Image of the services in a registry that the cluster can reach; without it one is built and loaded
    #[arg(long, env = "LAB_IMAGE")]
    image: Option<String>,
    /// Folder of the reports [default: reports/ in the project; of verify, .lab/verify/]
    #[arg(long)]
    reports: Option<PathBuf>,
}

impl Place {
    fn reports(&self, root: &Path) -> Reports {
        Reports::at(self.reports.clone().unwrap_or_else(|| root.join("reports")))
    }
}

/// What every command that runs something needs.
struct Session {
    /// The project.
    root: PathBuf,
    /// Cancelled where somebody asks for the end.
    interrupt: CancellationToken,
}

/// While this process is named there the guide's build gives way to its own: see `scripts/run.sh`.
const GOES_FIRST: &str = ".lab/build.first";

/// Which code variants a build of the services has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variants {
    /// The participant's, the starter and the reference.
    Taught,
    /// Those, and the cheats and fixes that `verify` runs.
    All,
}

impl Place {
    /// Refuses a platform that is not there, before anything is built for it.
    fn check_platform(&self) -> Result<()> {
        match self.platform.as_str() {
            "local" | "k3d" => Ok(()),
            other => bail!("unknown platform `{other}`; there are local and k3d"),
        }
    }

    /// Refuses all but the local platform; `instead` does the same on a cluster.
    fn check_local(&self, instead: &str) -> Result<()> {
        self.check_platform()?;
        ensure!(
            self.platform == "local",
            "on a cluster `{instead}` does this"
        );
        Ok(())
    }

    /// Builds the services and gives the platform that runs what was built.
    async fn build(&self, session: &Session, variants: Variants) -> Result<Box<dyn Platform>> {
        let platform = self.built(session, variants).await;
        // It is there where this was started by the script, which says what it is for.
        let _ = std::fs::remove_file(session.root.join(GOES_FIRST));
        platform
    }

    async fn built(&self, session: &Session, variants: Variants) -> Result<Box<dyn Platform>> {
        self.check_platform()?;
        let cheats = variants == Variants::All;
        if self.platform == "k3d" {
            ensure!(
                !cheats,
                "cheats and fixes are no part of the image; run them with PLATFORM=local"
            );
            return Ok(Box::new(self.cluster(session).await?));
        }
        let services = tokio::select! {
            biased;
            () = session.interrupt.cancelled() => bail!(Interrupted),
            built = platform::local::build(&session.root, cheats) => built,
        };
        match services {
            // Ctrl-C in a terminal is for cargo, too, and may have reached it first.
            Err(BuildError::Stopped(signal)) if interrupt::asks_for_the_end(signal) => {
                bail!(Interrupted)
            }
            services => Ok(Box::new(LocalPlatform::new(services?)?)),
        }
    }

    /// Connects to the cluster, and sees to it that it has an image of today's code.
    async fn cluster(&self, session: &Session) -> Result<ClusterPlatform> {
        let image = self.image.clone().filter(|image| !image.is_empty());
        let namespace = self.namespace.clone();
        let connecting =
            ClusterPlatform::connect(&session.root, &self.context, namespace, image.clone());
        let mut platform = tokio::select! {
            platform = connecting => platform?,
            () = session.interrupt.cancelled() => bail!(Interrupted),
        };
        if image.is_none() {
            platform.run_image(self.image_of_this_code(session).await?);
        }
        Ok(platform)
    }

    /// Sees to it that the cluster has an image of today's code; its name, which is made from the code.
    async fn image_of_this_code(&self, session: &Session) -> Result<String> {
        let output = tokio::process::Command::new("sh")
            .arg("scripts/image.sh")
            .env("LAB_CONTEXT", &self.context)
            .current_dir(&session.root)
            .stderr(Stdio::inherit())
            .output()
            .await
            .context("can't start scripts/image.sh")?;
        let stopped = (output.status.signal()).is_some_and(interrupt::asks_for_the_end);
        if stopped || session.interrupt.is_cancelled() {
            bail!(Interrupted);
        }
        ensure!(
            output.status.success(),
            "the cluster has no image of your code; see above"
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The scenario with the phases that this platform needs.
    fn fit(&self, scenario: Scenario) -> Scenario {
        if self.platform == "local" {
            scenario
        } else {
            scenario.on_cluster()
        }
    }
}

/// The verdict that a code of the project's own should have.
fn wanted(code: &Code) -> Outcome {
    match code {
        Code::Solved | Code::Fix(_) => Outcome::Pass,
        _ => Outcome::Fail,
    }
}

/// What disturbed a run that did not end as wanted, where something did: it may have brought that about, and one more
/// run shows. None where the verdict speaks of the code.
fn disturbance(run: &Run, wanted: Outcome) -> Option<String> {
    let outcome = run.verdict.outcome;
    let validity = run.self_check.validity;
    if outcome == wanted || outcome == Outcome::Cancelled || validity == Validity::Valid {
        return None;
    }
    let worst = run
        .self_check
        .findings
        .iter()
        .filter(|finding| finding.validity == validity)
        .map(|finding| format!("{}: {}", finding.name, finding.text));
    Some(worst.collect::<Vec<_>>().join(" "))
}

/// How a command ended, where it did not break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Done; a run counts as done whatever its verdict.
    Well,
    /// A strict run or a verification failed.
    Failed,
    /// The measurement can't be believed.
    Invalid,
    /// By Ctrl-C.
    Interrupted,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        Self::from(match ended {
            Ended::Well => 0,
            Ended::Failed => 1,
            Ended::Invalid => 3,
            Ended::Interrupted => 130,
        })
    }
}

/// Does what was asked for and gives the exit code of the process.
pub fn execute(cli: Cli) -> ExitCode {
    if let Err(error) = environment::enter() {
        note!("error: can't start anew without what the shell says to libraries: {error}");
        return ExitCode::from(2);
    }
    if let Command::PostgresGuard(options) = cli.command {
        return platform::local::guard_main(&options);
    }
    match dispatch(cli.command).and_then(said) {
        Ok(ended) => ended.into(),
        Err(error) if error.is::<Interrupted>() => {
            note!("{error}");
            Ended::Interrupted.into()
        }
        Err(error) => {
            note!("error: {}", limits::explained(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

/// Owns up to lines that standard output, a file perhaps, did not take. What they tell of is done all the same.
fn said(ended: Ended) -> Result<Ended> {
    match lab_say::unsaid() {
        Some(error) if ended == Ended::Well => {
            bail!("standard output lacks lines: {error}; all else is done and kept")
        }
        _ => Ok(ended),
    }
}

fn dispatch(command: Command) -> Result<Ended> {
    limits::allow_threads()?;
    let root = project_root()?;
    let runtime = tokio::runtime::Runtime::new().context("can't start the async runtime")?;
    runtime.block_on(async {
        let session = &Session {
            root,
            interrupt: interrupt::watch()?,
        };
        let root = &session.root;
        match command {
            Command::Run(options) => run::run(session, options).await,
            Command::Demo(options) => demo::demo(session, options).await,
            Command::Compare(options) => compare::compare(root, &options),
            Command::Export(options) => export::export(root, &options),
            Command::Verify(options) => verify::verify(session, options).await,
            Command::Doctor(options) => doctor::doctor(root, &options),
            Command::Report(place) => rerender::rerender(root, &place),
            Command::CleanReports(options) => clean::clean_reports(root, &options),
            Command::Up(options) => up::up(session, options).await,
            Command::Down => up::down(root).await,
            Command::Status(options) => status::status(root, &options),
            Command::Solve(options) => edits::solve(root, &options),
            Command::Catchup(options) => edits::catch_up(root, &options),
            Command::Restore(options) => restore::restore(root, &options),
            Command::Name(options) => name::name(root, &options),
            Command::Join(options) => join::join(root, options).await,
            Command::Reset => edits::reset(root).await,
            Command::Bench(options) => bench::bench(session, &options).await,
            Command::PostgresGuard(_) => unreachable!("handled before the runtime starts"),
        }
    })
}

/// The project's folder: the nearest one above the current folder that has the scenarios.
fn project_root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("can't tell the current folder")?;
    here.ancestors()
        .find(|folder| {
            folder.join("driver/scenarios").is_dir() && folder.join("Cargo.toml").is_file()
        })
        .map(Path::to_owned)
        .with_context(|| {
            format!(
                "{} is not inside the workshop's folder; cd into it first",
                here.display()
            )
        })
}
