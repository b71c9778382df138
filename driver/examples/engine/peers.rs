//! CPU per request of the engine, `wrk` and `oha`, each in a process of its own against the same server.
//!
//! What a request costs depends on how often its sender is woken for it, which costs more than all the rest: an
//! engine that sends each request on time is woken to send and woken for the answer, one that sends as fast as
//! it can never sleeps. So both of the engine's are here, each beside its like. To be as fast as it can, it is offered
//! far more than it can send, in bursts of as many as the peers have users, which is its bound in flight, too; what
//! exceeds that is dropped, which costs it a little more than the peers, who never plan what they can't send.

use std::{
    io,
    process::{Command, Output},
};

use anyhow::{Context, ensure};
use lab_report::Row;
use lab_say::note;

use crate::{
    load::{self, CONNECTIONS},
    median,
    server::Server,
    spread,
};

const SECONDS: u64 = 2;
const RATE: f64 = 10_000.0;
/// More than can be answered.
const TOO_MANY: f64 = 200_000.0;
/// Users of the peers; requests at once of the engine.
const AT_ONCE: [u32; 2] = [32, 100];
const ROUNDS: usize = 7;
const GROUP: &str = "CPU per request";

/// A tool that sends requests.
struct Sender {
    name: &'static str,
    command: Command,
    /// The requests that its output tells of.
    count: fn(&Output) -> anyhow::Result<f64>,
    /// How to get it.
    get: &'static str,
    /// µs of CPU per request, by round.
    costs: Vec<f64>,
}

/// The engine and its peers doing the same, as far as they can.
struct Contest {
    name: String,
    engine: Sender,
    wrk: Sender,
    oha: Sender,
    /// The bar of the engine's cost as a multiple of wrk's.
    at_most: Option<f64>,
}

/// CPU per request of each, and the engine's as a multiple of that of its like, round by round.
pub(crate) fn cpu_per_request() -> anyhow::Result<Vec<Row>> {
    let server = Server::start()?;
    let mut contests = vec![on_time(&server)?];
    for at_once in AT_ONCE {
        contests.push(as_fast_as_it_can(&server, at_once)?);
    }
    for round in 1..=ROUNDS {
        note!("CPU per request, round {round} of {ROUNDS} …");
        for Contest {
            engine, wrk, oha, ..
        } in &mut contests
        {
            engine.send()?;
            wrk.send()?;
            oha.send()?;
        }
    }
    Ok(contests.iter().flat_map(Contest::rows).collect())
}

/// Woken for each request, which `wrk` only is with one user, who waits for each answer.
fn on_time(server: &Server) -> anyhow::Result<Contest> {
    let url = server.url();
    let command = load::command(&server.address, RATE, SECONDS, 1)?;
    Ok(Contest {
        name: "10,000 req/s on time".to_owned(),
        engine: engine("the engine", command),
        wrk: wrk(
            "wrk, one user, woken for each answer",
            closed_wrk(&url, SECONDS, 1),
        ),
        oha: oha(
            "oha at that rate, some ms late",
            open_oha(&url, RATE, SECONDS),
        ),
        at_most: None,
    })
}

fn as_fast_as_it_can(server: &Server, at_once: u32) -> anyhow::Result<Contest> {
    let url = server.url();
    let command = load::command(&server.address, TOO_MANY, SECONDS, at_once)?;
    Ok(Contest {
        name: format!("as fast as it can, {at_once} at once"),
        engine: engine("the engine", command),
        wrk: wrk("wrk", closed_wrk(&url, SECONDS, at_once)),
        oha: oha("oha", closed_oha(&url, SECONDS, at_once)),
        at_most: Some(1.1),
    })
}

fn engine(name: &'static str, command: Command) -> Sender {
    Sender {
        name,
        command,
        count: |output| Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?),
        get: "",
        costs: Vec::new(),
    }
}

fn wrk(name: &'static str, command: Command) -> Sender {
    Sender {
        name,
        command,
        count: wrk_requests,
        get: "not here; apt-get install wrk, brew install wrk",
        costs: Vec::new(),
    }
}

fn oha(name: &'static str, command: Command) -> Sender {
    Sender {
        name,
        command,
        count: oha_requests,
        get: "not here; cargo install oha",
        costs: Vec::new(),
    }
}

impl Contest {
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for sender in [&self.engine, &self.wrk, &self.oha] {
            let name = format!("{}: {}", self.name, sender.name);
            rows.push(Row::figure(GROUP, name, sender.figure()));
        }
        let name = format!("{}: the engine against", self.name);
        rows.extend(
            self.engine
                .against(&self.wrk, &format!("{name} wrk"), self.at_most),
        );
        rows.extend(self.engine.against(&self.oha, &format!("{name} oha"), None));
        rows
    }
}

impl Sender {
    /// Sends for a round, if the tool is there.
    fn send(&mut self) -> anyhow::Result<()> {
        if let Some((output, cpu)) = timed(&self.command)? {
            self.costs.push(cpu / (self.count)(&output)? * 1e6);
        }
        Ok(())
    }

    fn figure(&self) -> String {
        match self.costs[..] {
            [] => self.get.to_owned(),
            _ => spread(&self.costs, 1, "µs"),
        }
    }

    /// The ratio of the costs, beside its bar; none where the peer isn't there.
    fn against(&self, peer: &Self, name: &str, at_most: Option<f64>) -> Option<Row> {
        let pairs = self.costs.iter().zip(&peer.costs);
        let ratios: Vec<f64> = pairs.map(|(own, peer)| own / peer).collect();
        let figure = spread(&ratios, 2, "×");
        let row = Row::figure(GROUP, name, figure);
        let row = match at_most {
            Some(at_most) => row.bar(format!("≤ {at_most} ×"), median(&ratios) <= at_most),
            None => row,
        };
        (!ratios.is_empty()).then_some(row)
    }
}

/// `wrk` with one thread: users who wait for each answer before they ask again.
pub(crate) fn closed_wrk(url: &str, seconds: u64, connections: u32) -> Command {
    let mut command = Command::new("wrk");
    command
        .args(["--threads=1", "--latency"])
        .args([
            format!("--connections={connections}"),
            format!("--duration={seconds}s"),
        ])
        .arg(url);
    command
}

/// `oha` at a rate.
pub(crate) fn open_oha(url: &str, rate: f64, seconds: u64) -> Command {
    let mut command = closed_oha(url, seconds, CONNECTIONS);
    command.args(["-q", &rate.to_string()]);
    command
}

/// `oha` as fast as it can: users who wait for each answer.
fn closed_oha(url: &str, seconds: u64, connections: u32) -> Command {
    let mut command = Command::new("oha");
    command
        .args(["--no-tui", "--no-color", "--output-format", "json"])
        .args(["-c", &connections.to_string()])
        .args(["-z", &format!("{seconds}s"), url]);
    command
}

/// Runs a command; its output and its CPU time in seconds. None where there is no such program.
fn timed(command: &Command) -> anyhow::Result<Option<(Output, f64)>> {
    // The shell's `times` knows the CPU time of its children, on every system.
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            r#"command -v "$1" >/dev/null || exit 127; "$@" || exit; times >&2"#,
            "sh",
        ])
        .arg(command.get_program())
        .args(command.get_args());
    let output = shell.output()?;
    if output.status.code() == Some(127) {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{} failed: {said}",
        command.get_program().display()
    );
    let children = said.lines().last().context("`times` prints two lines")?;
    let cpu = children
        .split_whitespace()
        .map(seconds)
        .sum::<Option<f64>>();
    Ok(Some((
        output,
        cpu.with_context(|| format!("not a time: {children}"))?,
    )))
}

/// From `0m1.230s`.
fn seconds(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.replace(',', ".").parse::<f64>().ok()?)
}

/// From `  123456 requests in 3.00s, 14.5MB read`.
fn wrk_requests(output: &Output) -> anyhow::Result<f64> {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(" requests in "));
    let count = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    count.with_context(|| format!("wrk says no count of requests:\n{text}"))
}

fn oha_requests(output: &Output) -> anyhow::Result<f64> {
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let statuses = said["statusCodeDistribution"].as_object();
    let count = statuses.map(|of| of.values().filter_map(serde_json::Value::as_f64).sum());
    count.context("oha says no count of answers")
}

/// What a command prints; none where there is no such program.
pub(crate) fn output_of(command: &mut Command) -> anyhow::Result<Option<Output>> {
    match command.output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
