//! `driver up` and `driver down`: a stack that stays, on the ports of the cluster, to explore with
//! curl. A process in the background holds it; `.lab/up.json` says which.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use lab_say::say;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{Ended, Place, Session, Variants};
use crate::{
    file,
    platform::{ApiSpec, Endpoint, StackSpec, WorkerSpec},
};

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

/// What `.lab/up.json` says while a stack stands.
#[derive(Debug, Serialize, Deserialize)]
struct Standing {
    pid: i32,
    api: String,
    worker: String,
    dep: String,
}

pub(super) async fn up(session: &Session, options: Options) -> Result<Ended> {
    let root = session.root.as_path();
    if options.foreground {
        return hold(session, &options).await;
    }
    let platform_name = &options.place.platform;
    options.place.check_local("sh scripts/cluster.sh up")?;
    if !options.restart
        && let Some(standing) = standing(root)
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
    fs::create_dir_all(root.join(".lab")).context("can't create .lab in the project")?;
    let log = root.join(".lab/up.log");
    let log_file = File::create(&log).with_context(|| format!("can't write {}", log.display()))?;
    let mut child =
        Command::new(std::env::current_exe().context("can't tell this program's path")?)
            .args([
                "up",
                "--foreground",
                "--code",
                &options.code,
                "--platform",
                platform_name,
            ])
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            // A group of its own: Ctrl-C in this terminal is not for a stack that is to stay.
            .process_group(0)
            .spawn()
            .context("can't start the process that holds the stack")?;
    let deadline = Instant::now() + STARTS_WITHIN;
    while Instant::now() < deadline {
        if let Some(standing) = standing(root) {
            tell(&standing);
            return Ok(Ended::Well);
        }
        if child.try_wait()?.is_some() {
            bail!(
                "the services did not start:\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!(
        "the services did not start within {} s; see {}",
        STARTS_WITHIN.as_secs(),
        log.display()
    )
}

pub(super) async fn down(root: &Path) -> Result<Ended> {
    let Some(standing) = standing(root) else {
        say!("Nothing is up.");
        return Ok(Ended::Well);
    };
    let pid = Pid::from_raw(standing.pid).context(".lab/up.json names no process; delete it")?;
    kill_process(pid, Signal::TERM).context("can't stop the process that holds the stack")?;
    let deadline = Instant::now() + STOPS_WITHIN;
    while self::standing(root).is_some() {
        if Instant::now() > deadline {
            bail!("process {} does not stop; see .lab/up.log", standing.pid);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    say!("Down.");
    Ok(Ended::Well)
}

/// Starts the stack and keeps it until somebody asks for the end.
async fn hold(session: &Session, options: &Options) -> Result<Ended> {
    let Session { root, interrupt } = session;
    let lock = File::create(lock_path(root)).context("can't create .lab/up.lock")?;
    lock.try_lock()
        .context("another process holds a stack; make down stops it")?;
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
        pid: std::process::id().cast_signed(),
        api: address(&targets.api),
        worker: address(&targets.worker),
        dep: address(&targets.dep),
    };
    let state = root.join(".lab/up.json");
    file::replace(&state, &serde_json::to_vec(&standing)?)
        .with_context(|| format!("can't write {}", state.display()))?;
    let failure = tokio::select! {
        () = interrupt.cancelled() => None,
        failure = stack.failures.recv() => failure,
    };
    let stopped = stack.control.stop().await;
    fs::remove_file(&state).with_context(|| format!("can't remove {}", state.display()))?;
    stopped?;
    match failure {
        Some(failure) => bail!("{} broke: {}", failure.service, failure.text),
        None => Ok(Ended::Well),
    }
}

/// The stack that stands, if one does: a process holds the lock and has said where it is.
fn standing(root: &Path) -> Option<Standing> {
    let lock = File::open(lock_path(root)).ok()?;
    if lock.try_lock().is_ok() {
        return None;
    }
    let state = fs::read(root.join(".lab/up.json")).ok()?;
    serde_json::from_slice(&state).ok()
}

fn lock_path(root: &Path) -> PathBuf {
    root.join(".lab/up.lock")
}

fn tell(standing: &Standing) {
    say!(
        "api      {}   e.g. curl {}/cases/local",
        standing.api,
        standing.api
    );
    say!("worker   {}", standing.worker);
    say!("dep      {}", standing.dep);
    say!("Next: make smoke, make dev after an edit, make down to stop");
}
