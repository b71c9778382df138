//! `events.jsonl`, written as the run goes: each line is flushed whole, so that a reader, and what
//! is left after a crash, has all that happened.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lab_record::{Event, EventKind, Line, Run};
use lab_say::say;

/// The open file, and the events so far.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of the lines that are in it.
    whole: u64,
    /// True where each line goes to standard output as well.
    echo: bool,
    events: Vec<Event>,
}

impl Journal {
    /// Starts the file in a run's folder.
    pub(super) fn create(folder: &Path, echo: bool) -> Result<Self> {
        let path = folder.join("events.jsonl");
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("can't write {}; is the folder writable?", path.display()))?;
        Ok(Self {
            path,
            file,
            whole: 0,
            echo,
            events: Vec::new(),
        })
    }

    /// Appends a line.
    pub(super) fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        if self.echo {
            say!("{text}");
        }
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        if written.is_ok() {
            self.whole += text.len() as u64;
        } else {
            // A disk that is full may have taken half of it. Where it can't be cut off, who reads it skips it.
            let _ = self.file.set_len(self.whole);
        }
        written.with_context(|| format!("can't write {}; is the disk full?", self.path.display()))
    }

    /// Appends something that happened, and keeps it for `data.json`.
    pub(super) fn event(
        &mut self,
        t_s: f64,
        kind: EventKind,
        text: impl Into<String>,
    ) -> Result<()> {
        let event = Event {
            t_s,
            kind,
            text: text.into(),
        };
        self.write(&Line::Event(event.clone()))?;
        self.events.push(event);
        Ok(())
    }

    /// Appends the last line. Who finds it finds all the others, after a power cut, too.
    pub(super) fn finish(&mut self, run: &Run) -> Result<()> {
        self.write(&Line::Finished {
            outcome: run.verdict.outcome,
            score: run.verdict.score,
            validity: Some(run.self_check.validity),
        })?;
        self.file
            .sync_all()
            .with_context(|| format!("can't write {}; is the disk full?", self.path.display()))
    }

    /// Everything that happened so far, for `data.json`.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let path = PathBuf::from("/dev/full");
        let mut journal = Journal {
            file: File::options().write(true).open(&path).unwrap(),
            path,
            whole: 0,
            echo: false,
            events: Vec::new(),
        };
        let error = journal.event(0.0, EventKind::Phase, "load").unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't write /dev/full; is the disk full?"
        );
        assert!(journal.take_events().is_empty());
    }
}
