//! One child process: started in a process group of its own, watched for its address, its readiness
//! and its end, and stopped. Its last lines are kept for the message when it breaks.
//!
//! Every child reads from a pipe that only this process holds open: when the driver dies, however
//! that happens, the pipe ends and the child with it.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use tokio::{
    process::{Child, ChildStdin, Command},
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, Interval, interval_at, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    orphans,
    output::{self, Lines},
};

/// When and how often a process is asked whether it is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// From its start to the first time.
    pub(super) after: Duration,
    /// Between two times.
    pub(super) every: Duration,
}

impl Default for Probe {
    /// As soon as can be.
    fn default() -> Self {
        Self {
            after: Duration::ZERO,
            every: Duration::from_millis(20),
        }
    }
}

/// How a process is let go.
#[derive(Clone, Debug)]
pub(super) struct Leave {
    /// From the decision to SIGTERM.
    pub(super) pre_stop: Duration,
    /// From the decision to SIGKILL.
    pub(super) grace: Duration,
    /// Cancelled where nobody cares any more how it ends.
    pub(super) at_once: CancellationToken,
}

/// After SIGTERM a process has this long, whatever `preStop` took (`minimumGracePeriodInSeconds` in
/// `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl Leave {
    /// Within `grace` of SIGTERM.
    pub(super) fn within(grace: Duration) -> Self {
        Self {
            pre_stop: Duration::ZERO,
            grace,
            at_once: CancellationToken::new(),
        }
    }

    /// Time from SIGTERM to SIGKILL.
    fn after_signal(&self) -> Duration {
        if self.pre_stop.is_zero() {
            return self.grace;
        }
        self.grace.saturating_sub(self.pre_stop).max(LEAST_GRACE)
    }
}

/// For the last lines of a process that has ended; a grandchild may hold its pipes open.
const LAST_LINES_WITHIN: Duration = Duration::from_millis(500);

/// What a service does wrong on its way up or after it.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The executable can't be started.
    #[error("cannot start {service} ({})", program.display())]
    Spawn {
        /// The service.
        service: String,
        /// Its executable.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file for its log can't be made.
    #[error("cannot write the log of {service} to {}", path.display())]
    Log {
        /// The service.
        service: String,
        /// The log file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended on its way up.
    #[error("{service} ended before it was ready ({status}){last_lines}")]
    EndedEarly {
        /// The service.
        service: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        last_lines: LastLines,
    },
    /// It runs but does not get ready.
    #[error("{service} was not ready within {within:?}: {lacks}{last_lines}")]
    NotReady {
        /// The service.
        service: String,
        /// The time it had.
        within: Duration,
        /// What was missing.
        lacks: String,
        /// What it said last.
        last_lines: LastLines,
    },
    /// Its end can't be observed.
    #[error("cannot wait for {service}")]
    Wait {
        /// The service.
        service: String,
        /// Why.
        source: io::Error,
    },
}

pub use super::output::LastLines;

/// How a process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By SIGTERM, and all that it has started with it. Dropping the process kills them.
    Terminate,
    /// By the end of its standard input; it has something to clean up that a kill would leave.
    /// Dropping the process closes the pipe and leaves it to that.
    CloseStdin,
}

/// A child process and what it says.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    announced: Option<oneshot::Receiver<SocketAddr>>,
    lines: Lines,
    readers: Vec<JoinHandle<()>>,
    ending: Ending,
}

impl Process {
    /// Starts `command` as the service `name`; its output goes to the file `log`, if there is one.
    pub(super) fn spawn(
        name: &str,
        mut command: Command,
        log: Option<PathBuf>,
        ending: Ending,
    ) -> Result<Self, ProcessError> {
        let lines = Lines::new(log.as_deref()).map_err(|source| ProcessError::Log {
            service: name.to_owned(),
            path: log.unwrap_or_default(),
            source,
        })?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // In a group of its own: Ctrl-C reaches the driver alone, which then stops its children in order.
        let mut child = orphans::spawn(&mut command).map_err(|source| ProcessError::Spawn {
            service: name.to_owned(),
            program: command.as_std().get_program().into(),
            source,
        })?;
        let (announce, announced) = oneshot::channel();
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(output::read(
                stdout,
                lines.clone(),
                Some(announce),
            )));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(output::read(stderr, lines.clone(), None)));
        }
        Ok(Self {
            name: name.to_owned(),
            // Taken out, as waiting for a child closes the pipe that it still owns.
            stdin: child.stdin.take(),
            child,
            announced: Some(announced),
            lines,
            readers,
            ending,
        })
    }

    /// Waits until it says where it listens.
    pub(super) async fn listening(&mut self, within: Duration) -> Result<SocketAddr, ProcessError> {
        let Some(announced) = self.announced.take() else {
            return Err(self.not_ready(within, "its address was already taken"));
        };
        tokio::select! {
            biased;
            Ok(addr) = announced => Ok(addr),
            error = self.fails(within, "it did not print `listening ADDRESS`") => Err(error),
        }
    }

    /// Waits until it listens and answers `GET /readyz` with 200 when it is asked.
    pub(super) async fn ready(
        &mut self,
        http: &reqwest::Client,
        within: Duration,
        probe: Probe,
    ) -> Result<SocketAddr, ProcessError> {
        let first = Instant::now() + probe.after;
        let deadline = first + within;
        let addr = self.listening(within).await?;
        let mut last_answer = "nothing yet".to_owned();
        let ended = tokio::select! {
            biased;
            status = self.wait() => Some(status),
            ready = timeout_at(deadline, answers_ready(http, addr, interval_at(first, probe.every), &mut last_answer)) => {
                if ready.is_ok() {
                    return Ok(addr);
                }
                None
            }
        };
        if let Some(status) = ended {
            return Err(self.ended_early(status).await);
        }
        let lacks = format!("http://{addr}/readyz says {last_answer}");
        Err(self.not_ready(within, &lacks))
    }

    /// Waits for what is wrong with it: it ends or, after `within`, still `lacks` something.
    pub(super) async fn fails(&mut self, within: Duration, lacks: &str) -> ProcessError {
        match timeout(within, self.wait()).await {
            Ok(status) => self.ended_early(status).await,
            Err(_) => self.not_ready(within, lacks),
        }
    }

    /// Waits for its end, which nobody asked for, and tells of it.
    pub(super) async fn ended(&mut self) -> String {
        let status = match self.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("its end could not be observed: {error}"),
        };
        self.drain().await;
        let last_lines = self.lines.last();
        format!("{} ended during the run ({status}){last_lines}", self.name)
    }

    /// Asks it to end and, after its grace period, makes it. True where it had to be made.
    pub(super) async fn stop(mut self, leave: &Leave) -> bool {
        let by_itself = !leave.pre_stop.is_zero() && self.ends(leave.pre_stop, leave).await;
        if !by_itself {
            match self.ending {
                Ending::Terminate => self.signal(Signal::TERM),
                Ending::CloseStdin => drop(self.stdin.take()),
            }
        }
        let overdue = !by_itself && !self.ends(leave.after_signal(), leave).await;
        if overdue {
            self.signal(Signal::KILL);
            let _ = self.wait().await;
        }
        self.drain().await;
        overdue
    }

    /// Whether it ends within that time, unless nobody wants to wait for it any more.
    async fn ends(&mut self, within: Duration, leave: &Leave) -> bool {
        tokio::select! {
            biased;
            ended = timeout(within, self.wait()) => ended.is_ok(),
            () = leave.at_once.cancelled() => false,
        }
    }

    /// Ends it at once, as a crash would.
    pub(super) async fn kill(mut self) {
        self.signal(Signal::KILL);
        // It can't refuse.
        let _ = self.wait().await;
        self.drain().await;
    }

    /// Waits for its end. What it has started, as code of a participant may, ends with it.
    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let Some(pid) = self.pid() else {
            return self.child.wait().await;
        };
        has_ended(pid).await?;
        if self.ending == Ending::CloseStdin {
            return self.child.wait().await;
        }
        // Nobody else has the number of the group as long as its leader has not been waited for.
        let _ = kill_process_group(pid, Signal::KILL);
        let status = self.child.wait().await;
        orphans::end(pid).await;
        status
    }

    /// Also to what it has started, unless that is for it to end.
    fn signal(&self, signal: Signal) {
        // Both fail only where it has just ended by itself.
        let _ = match (self.pid(), self.ending) {
            (None, _) => Ok(()),
            (Some(pid), Ending::Terminate) => kill_process_group(pid, signal),
            (Some(pid), Ending::CloseStdin) => kill_process(pid, signal),
        };
    }

    /// None once it has been waited for: then the number may be another program's.
    fn pid(&self) -> Option<Pid> {
        self.child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
    }

    /// Reads what is left of the output of a process that has ended.
    async fn drain(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = timeout(LAST_LINES_WITHIN, reader).await;
        }
    }

    async fn ended_early(&mut self, status: io::Result<ExitStatus>) -> ProcessError {
        self.drain().await;
        let service = self.name.clone();
        match status {
            Ok(status) => ProcessError::EndedEarly {
                service,
                status,
                last_lines: self.lines.last(),
            },
            Err(source) => ProcessError::Wait { service, source },
        }
    }

    pub(super) fn not_ready(&self, within: Duration, lacks: &str) -> ProcessError {
        ProcessError::NotReady {
            service: self.name.clone(),
            within,
            lacks: lacks.to_owned(),
            last_lines: self.lines.last(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its own end is known where it was waited for.
        if self.ending == Ending::Terminate {
            self.signal(Signal::KILL);
        }
    }
}

/// Waits until a child of ours has ended, and leaves it to be waited for.
async fn has_ended(pid: Pid) -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        children.recv().await;
    }
    Ok(())
}

/// Returns once `/readyz` answers 200; `last` is what it said before that.
async fn answers_ready(
    http: &reqwest::Client,
    addr: SocketAddr,
    mut every: Interval,
    last: &mut String,
) {
    let url = format!("http://{addr}/readyz");
    loop {
        every.tick().await;
        match http.get(&url).send().await {
            Ok(answer) if answer.status() == reqwest::StatusCode::OK => return,
            Ok(answer) => {
                let status = answer.status();
                *last = format!("{status} {}", answer.text().await.unwrap_or_default());
            }
            Err(error) => *last = format!("no answer ({error})"),
        }
    }
}
