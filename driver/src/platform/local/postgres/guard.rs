//! A small process between the driver and its PostgreSQL, which would outlive a driver that is
//! killed. It starts the server on a free port, says where once that answers, and, when its standard input ends or
//! it is told to, stops it and removes its data.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{access::private_url, store::Claim, template};
use crate::environment::keep_outside;

/// How often another program may take the port between its choice and the server's start.
const PORT_ATTEMPTS: u32 = 10;

/// For a server that has started to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Between two attempts to connect.
const CONNECT_INTERVAL: Duration = Duration::from_millis(20);

/// How the server is asked to end, and how long it has before the next, ruder way: clients are cut
/// off; nothing is written; killed. Only the last leaves shared memory behind, which `store` then frees.
const ENDINGS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(3)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(2)),
];

/// Settings of a server whose data is thrown away with the run. Without what protects data from a
/// crash of the machine, the disk does not show in the latency; few and late checkpoints do the
/// same.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "checkpoint_timeout=1h",
    "max_wal_size=256MB",
    "shared_buffers=32MB",
    // In files of the data's folder, which go with it, also where the server is killed.
    "dynamic_shared_memory_type=mmap",
    "max_connections=120",
    "jit=off",
    "logging_collector=off",
    "log_destination=stderr",
    "log_min_messages=warning",
    "lc_messages=C",
    "log_timezone=UTC",
    "timezone=UTC",
];

/// Arguments of the hidden subcommand `postgres-guard`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct GuardArgs {
    /// The server program.
    #[arg(long)]
    pub(super) postgres: PathBuf,
    /// The run's folder, with the initialised `data` in it; removed at the end.
    #[arg(long)]
    pub(super) folder: PathBuf,
    /// The port to try first; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    pub(super) port: u16,
    /// The user to run the server as.
    #[arg(long, requires = "gid")]
    pub(super) uid: Option<u32>,
    /// The group to run the server as.
    #[arg(long, requires = "uid")]
    pub(super) gid: Option<u32>,
    /// The superuser's password, by the environment: every user of the machine can list arguments.
    #[arg(long, env = PASSWORD, hide_env_values = true)]
    pub(super) password: String,
}

/// Name of the subcommand.
pub(super) const SUBCOMMAND: &str = "postgres-guard";

/// Name of the variable with the password.
const PASSWORD: &str = "LAB_OWNER_PASSWORD";

impl GuardArgs {
    /// A command that runs `program` as this guard: also what it asks the server must not depend on settings.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        keep_outside(&mut command).arg(SUBCOMMAND);
        command.env(PASSWORD, &self.password);
        command.arg("--postgres").arg(&self.postgres);
        command.arg("--folder").arg(&self.folder);
        command.arg("--port").arg(self.port.to_string());
        if let (Some(uid), Some(gid)) = (self.uid, self.gid) {
            command.arg("--uid").arg(uid.to_string());
            command.arg("--gid").arg(gid.to_string());
        }
        command
    }
}

/// Why the server is not, or no longer, there.
#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error("cannot guard PostgreSQL")]
    Io(#[from] io::Error),
    #[error("PostgreSQL did not start ({0})")]
    NotStarted(ExitStatus),
    #[error("PostgreSQL ended by itself ({0})")]
    Ended(ExitStatus),
    #[error("PostgreSQL does not answer `SELECT 1` within {ANSWER_WITHIN:?}, but says: {0}")]
    NoAnswer(String),
    #[error("other programs took each of the {PORT_ATTEMPTS} ports that were tried")]
    NoPort,
}

/// Runs the guard; the whole of the subcommand `postgres-guard`.
pub fn guard_main(args: &GuardArgs) -> ExitCode {
    // Lives on when the driver is gone, so that nobody sweeps the folder under the server.
    let claim = Claim::of(args.folder.clone());
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(guard(args)).map_err(io::Error::other));
    let removed = claim.and_then(Claim::remove);
    match outcome.and(removed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&lab_say::reason(&error));
            ExitCode::FAILURE
        }
    }
}

async fn guard(args: &GuardArgs) -> Result<(), GuardError> {
    let stop = stop_asked()?;
    let mut wanted = args.port;
    for _ in 0..PORT_ATTEMPTS {
        let port = if wanted == 0 { free_port()? } else { wanted };
        wanted = 0;
        let mut server = Server::spawn(args, port)?;
        let start = tokio::select! {
            start = server.start() => start?,
            () = stop.cancelled() => return Ok(server.shut_down().await?),
        };
        match start {
            Start::PortTaken => {}
            Start::Failed(status) => return Err(GuardError::NotStarted(status)),
            Start::Ready => return keep(server, args, loopback(port), &stop).await,
        }
    }
    Err(GuardError::NoPort)
}

/// Says where the server listens once it answers, and keeps it until it ends or somebody asks for its end.
async fn keep(
    mut server: Server,
    args: &GuardArgs,
    at: SocketAddr,
    stop: &CancellationToken,
) -> Result<(), GuardError> {
    let url = private_url(at, template::USER, &args.password);
    let does_not_answer = async {
        if let Err(said) = answers(&url).await {
            return said;
        }
        // The driver may be gone, which `stop` will tell.
        let _ = writeln!(io::stdout(), "listening {at}");
        std::future::pending().await
    };
    tokio::select! {
        status = server.child.wait() => Err(GuardError::Ended(status?)),
        () = stop.cancelled() => Ok(server.shut_down().await?),
        said = does_not_answer => {
            server.shut_down().await?;
            Err(GuardError::NoAnswer(said))
        }
    }
}

/// Waits until the server at `url` answers a query; what came instead where it does not.
async fn answers(url: &str) -> Result<(), String> {
    let mut said = "nothing".to_owned();
    let asking = async {
        let mut every = interval(CONNECT_INTERVAL);
        loop {
            every.tick().await;
            match ask(url).await {
                Ok(()) => return,
                Err(error) => said = error.to_string(),
            }
        }
    };
    timeout(ANSWER_WITHIN, asking).await.map_err(|_| said)
}

async fn ask(url: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}

/// Cancelled when standard input ends, which it does with the driver, or by a signal.
fn stop_asked() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        let mut signal = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signal.recv().await;
            stop.cancel();
        });
    }
    let at_end = stop.clone();
    // A thread of its own: the runtime would wait for its blocking threads at the end.
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while matches!(stdin.read(&mut [0; 64]), Ok(1..)) {}
        at_end.cancel();
    });
    Ok(stop)
}

/// How a start went.
enum Start {
    Ready,
    PortTaken,
    Failed(ExitStatus),
}

struct Server {
    child: Child,
    ready: oneshot::Receiver<()>,
    port_taken: CancellationToken,
    reader: tokio::task::JoinHandle<()>,
}

impl Server {
    fn spawn(args: &GuardArgs, port: u16) -> io::Result<Self> {
        let mut command = Command::new(&args.postgres);
        command
            .arg("-D")
            .arg(args.folder.join("data"))
            .args(["-p", &port.to_string()])
            .env("LC_ALL", "C")
            .env_remove(PASSWORD)
            .current_dir(&args.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if let (Some(uid), Some(gid)) = (args.uid, args.gid) {
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (say_ready, ready) = oneshot::channel();
        let port_taken = CancellationToken::new();
        let reader = tokio::spawn(read(stderr, say_ready, port_taken.clone()));
        Ok(Self {
            child,
            ready,
            port_taken,
            reader,
        })
    }

    async fn start(&mut self) -> io::Result<Start> {
        let status = tokio::select! {
            Ok(()) = &mut self.ready => return Ok(Start::Ready),
            status = self.child.wait() => status?,
        };
        // What it said last decides; its children may hold the pipe for a moment.
        let _ = timeout(Duration::from_secs(1), &mut self.reader).await;
        Ok(if self.port_taken.is_cancelled() {
            Start::PortTaken
        } else {
            Start::Failed(status)
        })
    }

    async fn shut_down(mut self) -> io::Result<()> {
        for (signal, within) in ENDINGS {
            let pid = self
                .child
                .id()
                .and_then(|id| Pid::from_raw(id.cast_signed()));
            if let Some(pid) = pid {
                kill_process(pid, signal)?;
            }
            if let Ok(status) = timeout(within, self.child.wait()).await {
                return status.map(|_| ());
            }
        }
        Err(io::Error::other("PostgreSQL does not end"))
    }
}

/// Passes on what the server says and looks in it for the two messages that count.
async fn read(stderr: ChildStderr, ready: oneshot::Sender<()>, port_taken: CancellationToken) {
    let mut ready = Some(ready);
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        if line.contains("could not create any TCP/IP sockets") {
            port_taken.cancel();
        }
        if line.contains("database system is ready to accept connections")
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(());
        }
        say(&line);
    }
}

/// Says it where the driver listens, if it still does.
fn say(text: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(loopback(0))?.local_addr()?.port())
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
