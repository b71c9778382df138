//! The line to the process that holds a stack. Nobody is signalled: a number in a file may be anybody's by now.
//! `.lab/up.json` says where the holder listens and the word by which it knows us; what it answers is so, and a
//! file that nobody answers for was left by a holder that was killed.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use lab_record::file;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::secret;

/// For either side to say what it says at once.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// After a call that could not be taken.
const ACCEPTS_AGAIN: Duration = Duration::from_millis(100);

/// More than anybody says on this line.
const LONGEST: u64 = 1024;

/// Who may wait for an answer at the same time, strangers among them.
const CALLERS: usize = 32;

/// Where a stack's services are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) api: String,
    pub(super) worker: String,
    pub(super) dep: String,
    pub(super) auditor: String,
}

/// What `.lab/up.json` says. The addresses are for those who read it; only an answer counts here.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    pid: u32,
    line: SocketAddr,
    word: String,
    #[serde(flatten)]
    standing: Option<Standing>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// Answered as soon as the stack stands.
    Where,
    /// Answered at once; the line is cut when the holder has ended.
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    word: String,
    question: Question,
}

/// The answer shows that it comes from the holder: a program that took its port does not know the word, or
/// does no more than repeat the question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    word: String,
    standing: Option<Standing>,
}

/// The holder's end of the line. While it lives, no other process holds a stack of this project.
#[derive(Debug)]
pub(super) struct Line {
    state: PathBuf,
    entry: Entry,
    standing: watch::Sender<Option<Standing>>,
    _lock: File,
}

impl Line {
    /// Opens the line and says where it is, over what a killed holder left. `interrupt` is cancelled when
    /// somebody asks for the end.
    pub(super) async fn open(root: &Path, interrupt: &CancellationToken) -> Result<Self> {
        let lock = lock(root)?.context("another process holds a stack; make down stops it")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("can't listen on 127.0.0.1")?;
        let (standing, seen) = watch::channel(None);
        let line = Self {
            state: state_path(root),
            entry: Entry {
                pid: std::process::id(),
                line: listener.local_addr()?,
                word: secret::password().context("no random numbers")?,
                standing: None,
            },
            standing,
            _lock: lock,
        };
        line.write()?;
        let word = line.entry.word.clone();
        tokio::spawn(answer_all(listener, word, seen, interrupt.clone()));
        Ok(line)
    }

    /// Says where the stack stands.
    pub(super) fn stands(&mut self, standing: Standing) -> Result<()> {
        self.entry.standing = Some(standing.clone());
        self.write()?;
        self.standing.send_replace(Some(standing));
        Ok(())
    }

    fn write(&self) -> Result<()> {
        file::replace_private(&self.state, &serde_json::to_vec(&self.entry)?)
            .with_context(|| format!("can't write {}", self.state.display()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Under the lock, so it is ours. Left, it would harm nobody.
        let _ = fs::remove_file(&self.state);
    }
}

/// Holds the stack of `root` down for as long as the lock lives; none where a process holds one up.
pub(super) fn lock(root: &Path) -> Result<Option<File>> {
    let path = root.join(".lab/up.lock");
    let open = || {
        fs::create_dir_all(root.join(".lab"))?;
        File::create(&path)
    };
    let lock = open().with_context(|| format!("can't create {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("can't lock {}", path.display()))
        }
    }
}

/// Answers whoever calls, and in the end leaves whoever asked for it on the line.
async fn answer_all(
    listener: TcpListener,
    word: String,
    standing: watch::Receiver<Option<Standing>>,
    interrupt: CancellationToken,
) {
    let seats = Arc::new(tokio::sync::Semaphore::new(CALLERS));
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await;
        let Ok((caller, _)) = listener.accept().await else {
            // Out of files, perhaps: they come back when others end.
            sleep(ACCEPTS_AGAIN).await;
            continue;
        };
        let (word, standing) = (word.clone(), standing.clone());
        let interrupt = interrupt.clone();
        tokio::spawn(async move {
            // Who calls may have gone.
            let _ = answer(caller, &word, standing, &interrupt).await;
            drop(seat);
        });
    }
}

async fn answer(
    mut caller: TcpStream,
    word: &str,
    mut standing: watch::Receiver<Option<Standing>>,
    interrupt: &CancellationToken,
) -> io::Result<()> {
    let Ok(asked) = timeout(ANSWERS_WITHIN, read::<Asked>(&mut caller)).await? else {
        return Ok(());
    };
    if !is_same(&asked.word, word) {
        return Ok(());
    }
    let mut answer = Answer {
        word: word.to_owned(),
        standing: None,
    };
    if asked.question == Question::Where {
        tokio::select! {
            there = standing.wait_for(Option::is_some) => {
                answer.standing = there.ok().and_then(|there| there.clone());
            }
            () = interrupt.cancelled() => {}
        }
        return write(&mut caller, &answer).await;
    }
    write(&mut caller, &answer).await?;
    interrupt.cancel();
    // Cut by the end of this process.
    std::future::pending().await
}

/// Takes the same time wherever the first difference is.
fn is_same(said: &str, word: &str) -> bool {
    said.len() == word.len()
        && said
            .bytes()
            .zip(word.bytes())
            .fold(0, |differs, (one, other)| differs | (one ^ other))
            == 0
}

/// A call to the holder that answered.
struct Call {
    pid: u32,
    line: TcpStream,
    standing: Option<Standing>,
}

/// Asks for the stack that stands; waits where one is on its way up. None where there is no holder.
pub(super) async fn ask_where(root: &Path, within: Duration) -> Result<Option<Standing>> {
    let call = call(root, Question::Where, within).await?;
    Ok(call.and_then(|call| call.standing))
}

/// Asks for the end, and waits for it. False where there is no holder.
pub(super) async fn ask_to_stop(root: &Path, within: Duration) -> Result<bool> {
    let Some(mut call) = call(root, Question::Stop, ANSWERS_WITHIN).await? else {
        return Ok(false);
    };
    // Whatever is read or fails: the line is cut.
    match timeout(within, call.line.read(&mut [0])).await {
        Ok(_) => Ok(true),
        Err(_) => bail!(
            "process {}, which holds the stack, does not stop within {} s; see .lab/up.log",
            call.pid,
            within.as_secs()
        ),
    }
}

async fn call(root: &Path, question: Question, within: Duration) -> Result<Option<Call>> {
    let Some(entry) = read_entry(root)? else {
        return Ok(None);
    };
    let Entry { pid, word, .. } = entry;
    let asking = async {
        let mut line = TcpStream::connect(entry.line).await?;
        let asked = Asked {
            word: word.clone(),
            question,
        };
        write(&mut line, &asked).await?;
        Ok::<_, io::Error>((read::<Answer>(&mut line).await?, line))
    };
    match timeout(within, asking).await {
        Ok(Ok((answer, line))) if is_same(&answer.word, &word) => Ok(Some(Call {
            pid,
            line,
            standing: answer.standing,
        })),
        // Nobody listens there, or somebody else does: that holder is gone.
        Ok(_) => Ok(None),
        // A silent program that took the port of a killed holder, or a holder that was stopped.
        Err(_) if lock(root)?.is_some() => Ok(None),
        Err(_) => bail!(
            "process {pid} holds a stack and does not answer within {} s; see .lab/up.log",
            within.as_secs()
        ),
    }
}

/// What the file says; none where there is none, or one of an older version. Where it can't be read, as by another
/// user, nobody knows whether a stack stands.
fn read_entry(root: &Path) -> Result<Option<Entry>> {
    let path = state_path(root);
    match fs::read(&path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| {
            format!(
                "can't read {}; only the user who started a stack can ask for it",
                path.display()
            )
        }),
    }
}

fn state_path(root: &Path) -> PathBuf {
    root.join(".lab/up.json")
}

async fn write(line: &mut TcpStream, message: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(message)?;
    text.push(b'\n');
    line.write_all(&text).await
}

async fn read<T: for<'a> Deserialize<'a>>(line: &mut TcpStream) -> io::Result<T> {
    let mut text = Vec::new();
    let mut reader = BufReader::new(line.take(LONGEST));
    reader.read_until(b'\n', &mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    fn standing() -> Standing {
        let at = |port| format!("http://127.0.0.1:{port}");
        Standing {
            api: at(1),
            worker: at(2),
            dep: at(3),
            auditor: at(4),
        }
    }

    /// What a killed holder leaves: the number of a process that lives, and a port that others have.
    fn left_behind(root: &Path, line: SocketAddr) {
        let entry = Entry {
            pid: std::process::id(),
            line,
            word: "0".repeat(32),
            standing: Some(standing()),
        };
        let text = serde_json::to_vec(&entry).unwrap();
        file::replace_private(&state_path(root), &text).unwrap();
    }

    /// A program that took the port, and what it does with a caller.
    async fn stranger<F: Future<Output = ()> + Send + 'static>(
        with: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(with(caller));
            }
        });
        address
    }

    async fn is_nobodys(root: &Path) {
        assert_eq!(ask_where(root, SOON).await.unwrap(), None);
        assert!(!ask_to_stop(root, SOON).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_killed_holder_left_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        is_nobodys(root.path()).await;
        let free = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        left_behind(root.path(), free);
        is_nobodys(root.path()).await;
    }

    #[tokio::test]
    async fn where_the_file_cannot_be_read_nobody_says_that_nothing_is_up() {
        let root = tempfile::tempdir().unwrap();
        // As with one of another user; that would keep root out, too.
        fs::create_dir_all(state_path(root.path())).unwrap();
        let error = ask_to_stop(root.path(), SOON).await.unwrap_err();
        assert!(error.to_string().contains("up.json"), "{error}");
        ask_where(root.path(), SOON).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_stranger_on_the_holders_port_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let echo = stranger(|mut caller| async move {
            let (mut from, mut to) = caller.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        });
        left_behind(root.path(), echo.await);
        is_nobodys(root.path()).await;
        let web = stranger(|mut caller| async move {
            let _ = caller
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n{}\n")
                .await;
        });
        left_behind(root.path(), web.await);
        is_nobodys(root.path()).await;
        let silent = stranger(|caller| async move {
            let _kept = caller;
            std::future::pending::<()>().await;
        });
        left_behind(root.path(), silent.await);
        is_nobodys(root.path()).await;
    }

    #[tokio::test]
    async fn a_holder_that_does_not_answer_is_named_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let stopped = stranger(|caller| async move {
            let _kept = caller;
            std::future::pending::<()>().await;
        });
        left_behind(root.path(), stopped.await);
        let _held = lock(root.path()).unwrap().unwrap();
        let error = ask_where(root.path(), SOON).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {} holds a stack", std::process::id())),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_new_holder_writes_over_what_a_killed_one_left() {
        let root = tempfile::tempdir().unwrap();
        left_behind(root.path(), SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
        let interrupt = CancellationToken::new();
        let mut line = Line::open(root.path(), &interrupt).await.unwrap();
        // On its way up: who asks waits, and hears of no old address.
        let early = ask_where(root.path(), SOON).await.unwrap_err().to_string();
        assert!(early.contains("does not answer"), "{early}");
        let other = Standing {
            dep: "http://127.0.0.1:4".to_owned(),
            ..standing()
        };
        let asking = ask_where(root.path(), ANSWERS_WITHIN);
        let (answer, ()) = tokio::join!(asking, async {
            line.stands(other.clone()).unwrap();
        });
        assert_eq!(answer.unwrap(), Some(other));
        let mode = fs::metadata(state_path(root.path())).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);

        let second = Line::open(root.path(), &interrupt).await.unwrap_err();
        assert!(second.to_string().contains("make down"), "{second}");
        drop(line);
        assert!(!state_path(root.path()).exists());
        Line::open(root.path(), &interrupt).await.unwrap();
    }

    #[tokio::test]
    async fn only_who_knows_the_word_can_stop_it() {
        let root = tempfile::tempdir().unwrap();
        let interrupt = CancellationToken::new();
        let line = Line::open(root.path(), &interrupt).await.unwrap();
        for word in [String::new(), "0".repeat(32)] {
            let mut caller = TcpStream::connect(line.entry.line).await.unwrap();
            let asked = Asked {
                word,
                question: Question::Stop,
            };
            write(&mut caller, &asked).await.unwrap();
            assert!(read::<Answer>(&mut caller).await.is_err());
        }
        assert!(!interrupt.is_cancelled());
    }

    #[test]
    fn who_asks_for_the_end_waits_for_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_owned();
        let (opened, is_open) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let interrupt = CancellationToken::new();
                let _line = Line::open(&path, &interrupt).await.unwrap();
                opened.send(()).unwrap();
                interrupt.cancelled().await;
                tokio::time::sleep(SOON).await;
            });
        });
        is_open.recv().unwrap();
        let asker = tokio::runtime::Runtime::new().unwrap();
        let begun = std::time::Instant::now();
        let stopped = asker.block_on(ask_to_stop(root.path(), Duration::from_secs(10)));
        assert!(stopped.unwrap());
        assert!(begun.elapsed() >= SOON);
        assert!(lock(root.path()).unwrap().is_some());
        holder.join().unwrap();
    }
}
