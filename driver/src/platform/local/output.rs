//! What a child process says: its last lines in memory, all of them in a file, and the line that
//! names its address.

use std::{
    collections::VecDeque,
    fmt,
    fs::{File, create_dir_all},
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    sync::oneshot,
};

/// How many lines are kept.
const KEPT: usize = 40;

/// A longer line is kept in pieces.
const LONGEST_LINE: u64 = 8 * 1024;

/// The last lines of a process, shared by the readers of its two streams.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    last: VecDeque<String>,
    log: Option<File>,
}

impl Lines {
    /// Empty; whole output goes to the file `log`, too.
    pub(super) fn new(log: Option<&Path>) -> io::Result<Self> {
        let log = log
            .map(|path| {
                path.parent().map_or(Ok(()), create_dir_all)?;
                File::create(path)
            })
            .transpose()?;
        let last = VecDeque::with_capacity(KEPT);
        Ok(Self(Arc::new(Mutex::new(Kept { last, log }))))
    }

    pub(super) fn push(&self, line: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.last.len() == KEPT {
            kept.last.pop_front();
        }
        kept.last.push_back(line.to_owned());
        if let Some(log) = &mut kept.log {
            // A full disk must not end the run; the lines that matter are in memory.
            let _ = writeln!(log, "{line}");
        }
    }

    pub(super) fn last(&self) -> LastLines {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        LastLines(kept.last.iter().cloned().collect())
    }
}

/// What a process said last, as the end of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastLines(pub Vec<String>);

impl fmt::Display for LastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; it said nothing");
        }
        f.write_str("; its last lines:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Reads `stream` to its end into `lines`. The first line `listening ADDRESS` goes to `announce`
/// instead.
pub(super) async fn read(
    stream: impl AsyncRead + Unpin,
    lines: Lines,
    mut announce: Option<oneshot::Sender<SocketAddr>>,
) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut piece = (&mut reader).take(LONGEST_LINE);
        if !matches!(piece.read_until(b'\n', &mut line).await, Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        match (announced(text), announce.take()) {
            (Some(addr), Some(announce)) => {
                // Whoever asked may have given up.
                let _ = announce.send(addr);
            }
            (_, waiting) => {
                announce = waiting;
                lines.push(text);
            }
        }
    }
}

/// The address of a line `listening ADDRESS`.
pub(super) fn announced(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("listening ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_the_address_is_announced_and_the_file_has_all() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/api-1.log");
        let lines = Lines::new(Some(&log)).unwrap();
        let (announce, announced) = oneshot::channel();
        let many: Vec<_> = (0..50).map(|n| format!("line {n}")).collect();
        let said = format!(
            "dbg! of a participant\nlistening 127.0.0.1:81\n{}\nno end of line",
            many.join("\n")
        );
        read(said.as_bytes(), lines.clone(), Some(announce)).await;
        assert_eq!(announced.await.unwrap(), "127.0.0.1:81".parse().unwrap());
        let LastLines(last) = lines.last();
        assert_eq!(last.len(), KEPT);
        assert_eq!(last.first().unwrap(), "line 11");
        assert_eq!(last.last().unwrap(), "no end of line");
        let file = std::fs::read_to_string(&log).unwrap();
        assert_eq!(file.lines().count(), 52);
    }

    #[tokio::test]
    async fn a_line_without_an_end_stays_bounded() {
        let lines = Lines::new(None).unwrap();
        read(&*vec![b'x'; 100_000], lines.clone(), None).await;
        assert!(
            lines
                .last()
                .0
                .iter()
                .all(|line| line.len() as u64 <= LONGEST_LINE)
        );
    }

    #[test]
    fn last_lines_read_as_the_end_of_a_message() {
        assert_eq!(LastLines::default().to_string(), "; it said nothing");
        let lines = LastLines(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(lines.to_string(), "; its last lines:\n  a\n  b");
    }
}
