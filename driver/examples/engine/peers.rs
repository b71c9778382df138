//! CPU per request of the engine, `wrk` and `oha`, each in a process of its own against the same server.
//!
//! What a request costs depends on how often its sender is woken for it, which costs more than all the rest: an
//! engine that sends each request on time is woken to send and woken for the answer, one that sends as fast as
//! it can never sleeps. So both of the engine's are here, each beside its like. To be as fast as it can, it is offered
//! far more than it can send, in bursts of as many as the peers have users, which is its bound in flight, too; what
//! exceeds that is dropped, which costs it a little more than the peers, who never plan what they can't send.
//!
//! On time, what a wake-up costs depends on where it comes from: from the same CPU it is a third of one from another.
//! The system tends to keep a user who waits for each answer on the server's CPU, and no sender whom a timer wakes. So
//! there each sender has a CPU and the server another, where the system lets them be chosen.

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
    server::{self, Server},
    spread,
};

const SECONDS: u64 = 2;
const RATE: f64 = 10_000.0;
/// More than can be answered.
pub(crate) const TOO_MANY: f64 = 200_000.0;
/// Users of the peers; requests at once of the engine.
const AT_ONCE: [u32; 2] = [32, 100];
const ROUNDS: usize = 7;
/// What a sender exits with that has no figure: as a shell where there is no such program.
pub(crate) const NO_FIGURE: i32 = 127;
/// Of a sender on time, such a share of sends may leave only when the next is due. Where the machine is so busy that
/// more do, they leave together, with one wake-up for many, and cost less.
pub(crate) const MOST_LATE: f64 = 0.1;
const GROUP: &str = "CPU per request";

/// A tool that sends requests.
struct Sender {
    name: &'static str,
    command: Command,
    /// The requests that its output tells of.
    count: fn(&Output) -> anyhow::Result<f64>,
    /// How to get a figure.
    get: &'static str,
    /// The bar of the engine's cost as a multiple of this one's.
    at_most: Option<f64>,
    /// µs of CPU per request, by round; none where the round has no figure.
    costs: Vec<Option<f64>>,
}

/// The engine and its peers doing the same, as far as they can.
struct Contest {
    name: String,
    engine: Sender,
    peers: Vec<Sender>,
}

/// CPU per request of each, and the engine's as a multiple of that of its like, round by round.
pub(crate) fn cpu_per_request() -> anyhow::Result<Vec<Row>> {
    let (server, apart) = (Server::start()?, Server::start()?);
    let mut contests = vec![on_time(&apart)?];
    for at_once in AT_ONCE {
        contests.push(as_fast_as_it_can(&server, at_once)?);
    }
    for round in 1..=ROUNDS {
        note!("CPU per request, round {round} of {ROUNDS} …");
        for contest in &mut contests {
            contest.engine.send()?;
            contest.peers.iter_mut().try_for_each(Sender::send)?;
        }
    }
    Ok(contests.iter().flat_map(Contest::rows).collect())
}

/// Woken for each request, which `wrk` only is with one user, who waits for each answer.
fn on_time(server: &Server) -> anyhow::Result<Contest> {
    let url = server.url();
    let is_apart = server.keep_apart();
    let place = |command| if is_apart { beside(&command) } else { command };
    let name = if is_apart {
        ", server and sender on a CPU each"
    } else {
        ""
    };
    let command = load::command(&server.address, RATE, SECONDS, 1)?;
    let peers = vec![
        bare(place(bare_command(&server.address)?)),
        wrk(
            "wrk, one user, woken for each answer",
            place(closed_wrk(&url, SECONDS, 1)),
            None,
        ),
        oha(
            "oha at that rate, some ms late",
            place(open_oha(&url, RATE, SECONDS)),
        ),
    ];
    Ok(Contest {
        name: format!("10,000 req/s on time{name}"),
        engine: engine("the engine", place(command)),
        peers,
    })
}

fn as_fast_as_it_can(server: &Server, at_once: u32) -> anyhow::Result<Contest> {
    let url = server.url();
    let command = load::command(&server.address, TOO_MANY, SECONDS, at_once)?;
    Ok(Contest {
        name: format!("as fast as it can, {at_once} at once"),
        engine: engine("the engine", command),
        peers: vec![
            wrk("wrk", closed_wrk(&url, SECONDS, at_once), Some(1.1)),
            oha("oha", closed_oha(&url, SECONDS, at_once)),
        ],
    })
}

fn engine(name: &'static str, command: Command) -> Sender {
    Sender {
        name,
        command,
        count: said,
        get: "never on time, the machine is too busy",
        at_most: None,
        costs: Vec::new(),
    }
}

fn bare(command: Command) -> Sender {
    Sender {
        name: "timer, send, wait, read and nothing else",
        command,
        count: said,
        get: "Linux only; or never on time, the machine is too busy",
        at_most: Some(1.5),
        costs: Vec::new(),
    }
}

/// The `bare` process as a command.
fn bare_command(address: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", address, &RATE.to_string(), &SECONDS.to_string()]);
    Ok(command)
}

fn wrk(name: &'static str, command: Command, at_most: Option<f64>) -> Sender {
    Sender {
        name,
        command,
        count: wrk_requests,
        get: "not here; apt-get install wrk, brew install wrk",
        at_most,
        costs: Vec::new(),
    }
}

fn oha(name: &'static str, command: Command) -> Sender {
    Sender {
        name,
        command,
        count: oha_requests,
        get: "not here; cargo install oha",
        at_most: None,
        costs: Vec::new(),
    }
}

impl Contest {
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for sender in std::iter::once(&self.engine).chain(&self.peers) {
            let name = format!("{}: {}", self.name, sender.name);
            rows.push(Row::figure(GROUP, name, sender.figure()));
        }
        for peer in &self.peers {
            let name = format!("{}: the engine against {}", self.name, peer.name);
            rows.extend(self.engine.against(peer, name));
        }
        rows
    }
}

impl Sender {
    /// Sends for a round.
    fn send(&mut self) -> anyhow::Result<()> {
        let cost = match timed(&self.command)? {
            Some((output, cpu)) => Some(cpu / (self.count)(&output)? * 1e6),
            None => None,
        };
        self.costs.push(cost);
        Ok(())
    }

    fn figure(&self) -> String {
        let costs: Vec<f64> = self.costs.iter().flatten().copied().collect();
        match costs[..] {
            [] => self.get.to_owned(),
            _ => spread(&costs, 1, "µs"),
        }
    }

    /// The ratio of the costs, beside its bar; none where the peer isn't there.
    fn against(&self, peer: &Self, name: String) -> Option<Row> {
        let pairs = self.costs.iter().zip(&peer.costs);
        let ratios: Vec<f64> = pairs
            .filter_map(|(own, peer)| Some((*own)? / (*peer)?))
            .collect();
        let figure = spread(&ratios, 2, "×");
        let row = Row::figure(GROUP, name, figure);
        let row = match peer.at_most {
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

/// The command on the CPU that [`Server::keep_apart`] leaves to senders.
fn beside(command: &Command) -> Command {
    let mut placed = Command::new("taskset");
    placed
        .args(["-c", server::SENDERS_CPU])
        .arg(command.get_program())
        .args(command.get_args());
    placed
}

/// Runs a command; its output and its CPU time in seconds. None where there is no such program.
pub(crate) fn timed(command: &Command) -> anyhow::Result<Option<(Output, f64)>> {
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
    if output.status.code() == Some(NO_FIGURE) {
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

/// What the engine and the bare sender print.
pub(crate) fn said(output: &Output) -> anyhow::Result<f64> {
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
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
