//! `driver up` and `driver down`: a stack that stays, on the ports of the cluster, to explore with
//! curl. A process in the background holds it, which the others ask ([`line`]).

mod line;

use std::{
    fs::{self, File},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use lab_say::say;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::{Ended, Place, Session, Variants};
use crate::{
    interrupt::Interrupted,
    platform::{ApiSpec, Endpoint, StackSpec, WorkerSpec},
};
use line::{Line, Standing};

const API_PORT: u16 = 30080;
const WORKER_PORT: u16 = 30081;

/// A stack starts in seconds, and the build was done before.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// How to keep it.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Stop a running stack first, so that changed code runs
    #[arg(long)]
    restart: bool,
    /// Which code: mine, starter, solved
    #[arg(long, default_value = "mine")]
    code: String,
    /// Hold the stack in this process until it is told to stop
    #[arg(long, hide = true)]
    foreground: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn up(session: &Session, options: Options) -> Result<Ended> {
    let root = session.root.as_path();
    if options.foreground {
        return hold(session, &options).await;
    }
    options.place.check_local("sh scripts/cluster.sh up")?;
    if !options.restart
        && let Some(standing) = line::ask_where(root, STARTS_WITHIN).await?
    {
        say!("Already up.");
        tell(&standing);
        return Ok(Ended::Well);
    }
    // Built here, where its progress and the compiler's messages are seen, and before what stands is
    // stopped for it.
    options.place.build(session, Variants::Taught).await?;
    if options.restart {
        down(root).await?;
    }
    let log = root.join(".lab/up.log");
    let mut holder = spawn_holder(root, &options, &log)?;
    let waited = tokio::select! {
        waited = timeout(STARTS_WITHIN, standing(&mut holder)) => waited.ok(),
        () = session.interrupt.cancelled() => {
            stop(&mut holder).await;
            bail!(Interrupted);
        }
    };
    match waited {
        Some(Ok(standing)) => {
            tell(&standing);
            Ok(Ended::Well)
        }
        Some(Err(status)) => bail!(
            "the services did not start ({}):\n{}",
            status?,
            fs::read_to_string(&log).unwrap_or_default().trim_end()
        ),
        None => {
            stop(&mut holder).await;
            bail!(
                "the services did not start within {} s; see {}",
                STARTS_WITHIN.as_secs(),
                log.display()
            )
        }
    }
}

/// Starts the process that holds the stack and outlives this one.
fn spawn_holder(root: &Path, options: &Options, log: &Path) -> Result<Child> {
    fs::create_dir_all(root.join(".lab")).context("can't create .lab in the project")?;
    let log = File::create(log).with_context(|| format!("can't write {}", log.display()))?;
    Command::new(std::env::current_exe().context("can't tell this program's path")?)
        .args(["up", "--foreground", "--code", &options.code])
        .args(["--platform", &options.place.platform])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // A group of its own: Ctrl-C in this terminal is not for a stack that is to stay.
        .process_group(0)
        .spawn()
        .context("can't start the process that holds the stack")
}

/// Waits until the holder says where its stack stands; its exit status where it ends before.
async fn standing(holder: &mut Child) -> Result<Standing, std::io::Result<ExitStatus>> {
    if let Some(stdout) = holder.stdout.as_mut() {
        let said = BufReader::new(stdout).lines().next_line().await;
        let said = said.ok().flatten();
        if let Some(standing) = said.and_then(|said| serde_json::from_str(&said).ok()) {
            return Ok(standing);
        }
    }
    Err(holder.wait().await)
}

/// Stops a holder that this process has started and not waited for: its number is still its own.
async fn stop(holder: &mut Child) {
    if let Some(pid) = holder.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(STOPS_WITHIN, holder.wait()).await.is_err() {
        let _ = holder.kill().await;
    }
}

pub(super) async fn down(root: &Path) -> Result<Ended> {
    let stopped = line::ask_to_stop(root, STOPS_WITHIN).await?;
    say!("{}", if stopped { "Down." } else { "Nothing is up." });
    Ok(Ended::Well)
}

/// Removes what a stack leaves, unless one has come up meanwhile.
pub(super) fn wipe(root: &Path) -> Result<()> {
    let Some(_lock) = line::lock(root)? else {
        return Ok(());
    };
    for name in ["up.json", "up.log"] {
        let path = root.join(".lab").join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Starts the stack and keeps it until somebody asks for the end.
async fn hold(session: &Session, options: &Options) -> Result<Ended> {
    let Session { root, interrupt } = session;
    let mut line = Line::open(root, interrupt).await?;
    let spec = StackSpec {
        dep_port: 0,
        api: Some(ApiSpec {
            port: API_PORT,
            database: true,
            ..ApiSpec::default()
        }),
        worker: Some(WorkerSpec {
            port: WORKER_PORT,
            ..WorkerSpec::default()
        }),
        ..StackSpec::new(&options.code)
    };
    let platform = options.place.build(session, Variants::Taught).await?;
    let mut stack = tokio::select! {
        stack = platform.start(&spec) => stack?,
        () = interrupt.cancelled() => return Ok(Ended::Interrupted),
    };
    let targets = stack.targets.borrow().clone();
    let address = |list: &[Endpoint]| list.first().map_or(String::new(), Endpoint::to_string);
    let standing = Standing {
        api: address(&targets.api),
        worker: address(&targets.worker),
        dep: address(&targets.dep),
        auditor: address(&targets.auditor),
    };
    line.stands(standing.clone())?;
    // To the process that waits for it.
    say!("{}", serde_json::to_string(&standing)?);
    let failure = tokio::select! {
        () = interrupt.cancelled() => None,
        failure = stack.failures.recv() => failure,
    };
    stack.control.stop().await?;
    match failure {
        Some(failure) => bail!("{} broke: {}", failure.service, failure.text),
        None => Ok(Ended::Well),
    }
}

fn tell(standing: &Standing) {
    let Standing {
        api,
        worker,
        dep,
        auditor,
    } = standing;
    say!("api      {api}   e.g. curl {api}/cases/local");
    say!("worker   {worker}");
    say!("dep      {dep}");
    say!("auditor  {auditor}   e.g. curl {auditor}/debug/dbstats");
    say!("make smoke asks each, make dev starts them again after an edit, make down stops them");
}
