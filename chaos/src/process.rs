//! Processes: the table of them, and those started here, each in a group of its own.

use std::{
    fs::File,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Far beyond what anything here takes; only a hang is that slow.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at something that no event tells of.
const LOOK: Duration = Duration::from_millis(20);

/// A process of the table.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    parent: i32,
    pub(crate) command: String,
}

/// All that run now. Who has ended and waits to be looked at is gone.
pub(crate) fn table() -> Result<Vec<Process>> {
    let output = Command::new("ps")
        .args(["-axww", "-o", "pid=,ppid=,stat=,command="])
        .output()
        .context("can't run ps")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(process).collect())
}

fn process(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let runs = !words.next()?.starts_with('Z');
    runs.then(|| Process {
        pid,
        parent,
        command: words.collect::<Vec<_>>().join(" "),
    })
}

/// All below `pid`.
pub(crate) fn below(pid: i32) -> Result<Vec<Process>> {
    let table = table()?;
    let mut found = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for process in table.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid);
            found.push(process.clone());
        }
    }
    Ok(found)
}

/// Waits until `is` gives something.
pub(crate) fn until<T>(what: &str, mut is: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = is()? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(LOOK);
    }
}

/// A program that was started here. Dropped, its whole group is killed.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    output: PathBuf,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    pub(crate) text: String,
}

impl Program {
    /// Starts it with its output in a file, unless the command says where that goes.
    pub(crate) fn start(command: &mut Command, output: PathBuf) -> Result<Self> {
        let file = File::create(&output).context("can't keep the output")?;
        command.stdout(file.try_clone()?).stderr(file);
        Self::start_as_is(command, output)
    }

    /// The same where the command says where the output goes.
    pub(crate) fn start_as_is(command: &mut Command, output: PathBuf) -> Result<Self> {
        Self::start_with_input(command, Stdio::null(), output)
    }

    /// The same with an input.
    pub(crate) fn start_with_input(
        command: &mut Command,
        input: Stdio,
        output: PathBuf,
    ) -> Result<Self> {
        let child = command
            .stdin(input)
            .process_group(0)
            .spawn()
            .with_context(|| format!("can't start {}", command.get_program().display()))?;
        Ok(Self { child, output })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Its own end of what the command has for a pipe.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends it a signal, as long as it has not been waited for.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(number(self.pid())?, signal)?;
        }
        Ok(())
    }

    /// Sends a signal to its whole group, as a terminal does.
    pub(crate) fn signal_group(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process_group(number(self.pid())?, signal)?;
        }
        Ok(())
    }

    pub(crate) fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits until a process below it has `text` in its command; none where the program ends before.
    pub(crate) fn has_below(&mut self, text: &str) -> Result<Option<Process>> {
        until(text, || {
            let found = below(self.pid())?
                .into_iter()
                .find(|process| process.command.contains(text));
            Ok(match (found, self.runs()?) {
                (None, true) => None,
                (found, _) => Some(found),
            })
        })
    }

    /// Waits for its end. A panic is never a way to end.
    pub(crate) fn end(&mut self) -> Result<Ended> {
        let status = until("the program's end", || Ok(self.child.try_wait()?))?;
        let text = self.said();
        ensure!(!text.contains("panicked at"), "it panicked:\n{text}");
        Ok(Ended { status, text })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.signal_group(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Fails unless it ended with one of these codes.
    pub(crate) fn with(&self, codes: &[i32]) -> Result<&Self> {
        match self.status.code() {
            Some(code) if codes.contains(&code) => Ok(self),
            _ => bail!(
                "it ended with {}, not with {codes:?}:\n{}",
                self.status,
                self.text
            ),
        }
    }

    /// Fails unless it was killed.
    pub(crate) fn killed(&self) -> Result<()> {
        ensure!(
            self.status.signal() == Some(9),
            "it ended with {}",
            self.status
        );
        Ok(())
    }

    /// Fails unless it measured. That this machine was too busy for a valid measurement is nobody's fault here.
    pub(crate) fn measured(&self) -> Result<&Self> {
        self.with(&[0, 3])
    }

    /// Fails unless it says this.
    pub(crate) fn says(&self, text: &str) -> Result<&Self> {
        ensure!(
            self.text.contains(text),
            "it does not say `{text}`:\n{}",
            self.text
        );
        Ok(self)
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// The memory that a process has for itself and with others, in MiB.
pub(crate) fn memory(pid: i32) -> Result<u64> {
    let output = Command::new("ps")
        .args(["-o", "rss=", "-p", &pid.to_string()])
        .output()
        .context("can't run ps")?;
    let kilobytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(kilobytes / 1024)
}

/// Kills a process that was just seen, and its number with it.
pub(crate) fn kill(process: &Process, signal: Signal) -> Result<()> {
    let seen = table()?;
    let still = seen
        .iter()
        .any(|other| other.pid == process.pid && other.command == process.command);
    if still {
        // It may have ended in this moment.
        let _ = kill_process(number(process.pid)?, signal);
    }
    Ok(())
}

fn number(pid: i32) -> Result<Pid> {
    Pid::from_raw(pid).context("no process has that number")
}
