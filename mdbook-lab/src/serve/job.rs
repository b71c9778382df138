//! Runs what a page asks for: one command at a time, in a process group of its own, its output
//! line by line.

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::unix::pipe,
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    building,
    news::{self, Message, Newsroom},
};
use crate::{Action, action::Number};

/// Between asking a command to end and making it.
const GRACE: Duration = Duration::from_secs(10);
/// How long output is read after a command's end: what it left running may hold the pipe for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What a cancelled command's own children get to follow it.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// A longer line is cut into lines of this length.
const LONGEST_LINE: usize = 8 * 1024;

/// The desk that commands are started from.
pub(crate) struct Desk {
    root: PathBuf,
    news: Arc<Newsroom>,
    count: AtomicU64,
    current: Mutex<Option<Job>>,
}

/// The command under way.
struct Job {
    group: Option<Pid>,
    cancel: CancellationToken,
    /// Closed when it has ended.
    ended: watch::Receiver<()>,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// One command at a time.
    #[error("a command is running; wait for its end or cancel it")]
    Busy,
    /// The program can't be started.
    #[error("can't start `{program}`: {why}; is it installed and on the PATH?")]
    Spawn {
        /// The program.
        program: String,
        /// What the system says.
        why: io::Error,
    },
}

impl Desk {
    /// Starts commands in `root` and tells `news` of them.
    pub(crate) fn new(root: PathBuf, news: Arc<Newsroom>) -> Self {
        Self {
            root,
            news,
            count: AtomicU64::new(0),
            current: Mutex::new(None),
        }
    }

    /// Starts `action`, with the reader's guess where it takes one, and gives its number.
    pub(crate) fn start(
        self: &Arc<Self>,
        action: &Action,
        guess: Option<Number>,
    ) -> Result<u64, StartError> {
        let mut current = self.lock();
        if current.is_some() {
            return Err(StartError::Busy);
        }
        let (child, output) = self.spawn(action, guess)?;
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let named = news::Command {
            id,
            action: action.to_string(),
        };
        let cancel = CancellationToken::new();
        let (done, ended) = watch::channel(());
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        *current = Some(Job {
            group,
            cancel: cancel.clone(),
            ended,
        });
        self.news.tell(Message::Hello {
            running: Some(named.clone()),
            last: None,
        });
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            let code = desk.attend(id, child, output, group, &cancel).await;
            // Under the lock: the next command is announced after the end of this one.
            let mut current = desk.lock();
            desk.news.tell(Message::Ended(news::Ended {
                id: named.id,
                action: named.action,
                code,
                cancelled: cancel.is_cancelled(),
            }));
            *current = None;
            drop(done);
        });
        Ok(id)
    }

    /// Asks the command under way to end. False where there is none.
    pub(crate) fn cancel(&self) -> bool {
        let current = self.lock();
        if let Some(job) = &*current {
            job.cancel.cancel();
        }
        current.is_some()
    }

    /// Ends what runs and waits for it.
    pub(crate) async fn close(&self) {
        let ended = self.lock().as_ref().map(|job| {
            job.cancel.cancel();
            job.ended.clone()
        });
        if let Some(mut ended) = ended {
            // An error says that the sender is gone: the end we wait for.
            while ended.changed().await.is_ok() {}
        }
    }

    /// Ends what runs at once.
    pub(crate) fn kill(&self) {
        if let Some(group) = self.lock().as_ref().and_then(|job| job.group) {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Starts the command of `action`. Both of its streams are one pipe: what it says comes in the order in which it was said.
    fn spawn(
        &self,
        action: &Action,
        guess: Option<Number>,
    ) -> Result<(Child, pipe::Receiver), StartError> {
        let mut command = self.command(action, guess);
        let started = io::pipe().and_then(|(output, input)| {
            command.stdout(input.try_clone()?).stderr(input);
            Ok((
                command.spawn()?,
                pipe::Receiver::from_owned_fd(output.into())?,
            ))
        });
        started.map_err(|why| StartError::Spawn {
            program: command.as_std().get_program().display().to_string(),
            why,
        })
    }

    fn command(&self, action: &Action, guess: Option<Number>) -> Command {
        let mut command = match action {
            Action::Make(target) => {
                let mut make = Command::new("make");
                make.arg(target.as_str());
                make.args(guess.map(|guess| format!("GUESS={guess}")));
                make
            }
            Action::Example(name) => {
                let mut run = Command::new("sh");
                run.args(["scripts/run.sh", name.as_str()]);
                run
            }
        };
        command
            .current_dir(&self.root)
            .stdin(Stdio::null())
            // Not ours, so that it can be interrupted with all that it starts.
            .process_group(0)
            // Reports are opened from the page, not by the driver.
            .env("CI", "1")
            .env("NO_COLOR", "1")
            .env("CARGO_TERM_COLOR", "never")
            .envs(building::ENV)
            // Where `make book` started us: this make has a job server and flags of its own.
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .env_remove("MAKELEVEL");
        command
    }

    /// Passes the output on until the command ends, by itself or because it is asked to.
    async fn attend(
        &self,
        id: u64,
        mut child: Child,
        output: pipe::Receiver,
        group: Option<Pid>,
        cancel: &CancellationToken,
    ) -> Option<i32> {
        let mut reader = self.read(id, output);
        let status = tokio::select! {
            status = child.wait() => status,
            () = cancel.cancelled() => interrupt(&mut child, group).await,
        };
        // From here on the number may be another program's.
        if let Some(job) = &mut *self.lock() {
            job.group = None;
        }
        if timeout(LAST_WORDS, &mut reader).await.is_err() {
            reader.abort();
        }
        status.ok().as_ref().and_then(ExitStatus::code)
    }

    fn read(&self, id: u64, pipe: pipe::Receiver) -> JoinHandle<()> {
        let news = Arc::clone(&self.news);
        tokio::spawn(async move {
            let mut lines = Lines::new(pipe);
            while let Some(text) = lines.next().await {
                match building::read(&text) {
                    Some(building) => news.tell(Message::Build { id, building }),
                    None => news.tell(Message::Output { id, text }),
                }
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Job>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ctrl-C for the whole group, then the end for who did not listen.
async fn interrupt(child: &mut Child, group: Option<Pid>) -> io::Result<ExitStatus> {
    let tell = |signal| {
        if let Some(group) = group {
            // The group may be gone already.
            let _ = kill_process_group(group, signal);
        }
    };
    tell(Signal::INT);
    let Ok(status) = timeout(GRACE, child.wait()).await else {
        tell(Signal::KILL);
        return child.wait().await;
    };
    let gone = async {
        while group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(STRAGGLERS, gone).await.is_err() {
        tell(Signal::KILL);
    }
    status
}

/// Lines of a pipe, of any bytes and of bounded length. What is drawn over, up to a carriage return, is one as well: a
/// drawing of cargo's is the last word for as long as a crate takes.
struct Lines<R> {
    pipe: BufReader<R>,
    /// Whether the line before ended with a carriage return: a line feed that follows ends nothing.
    returned: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(pipe: R) -> Self {
        Self {
            pipe: BufReader::with_capacity(LONGEST_LINE, pipe),
            returned: false,
        }
    }

    /// The next line without its end; none at the end of the pipe.
    async fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            let available = self.pipe.fill_buf().await.ok()?;
            if available.is_empty() {
                return (!line.is_empty()).then(|| text(&line));
            }
            if std::mem::take(&mut self.returned) && available[0] == b'\n' {
                self.pipe.consume(1);
                continue;
            }
            let room = LONGEST_LINE - line.len();
            let end = available
                .iter()
                .position(|byte| matches!(byte, b'\n' | b'\r'));
            let taken = end.unwrap_or(available.len()).min(room);
            line.extend_from_slice(&available[..taken]);
            let whole = end == Some(taken);
            self.returned = whole && available[taken] == b'\r';
            self.pipe.consume(taken + usize::from(whole));
            if whole || line.len() == LONGEST_LINE {
                return Some(text(&line));
            }
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_cut_where_they_end_or_grow_too_long() {
        let long = "x".repeat(LONGEST_LINE + 3);
        let text = format!("one\r\n\n{long}\ndrawn\rover\r\nlast");
        let mut lines = Lines::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        let (head, tail) = long.split_at(LONGEST_LINE);
        assert_eq!(all, ["one", "", head, tail, "drawn", "over", "last"]);
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_shown_as_such() {
        let mut lines = Lines::new(&b"a\xffb\n"[..]);
        assert_eq!(lines.next().await.unwrap(), "a\u{fffd}b");
    }
}
