//! CPU per request of the engine, `wrk` and `oha`, each in a process of its own against the same server.
//!
//! What a request costs depends on how often its sender is woken for it, which costs more than all the rest: an
//! engine that sends each request on time is woken to send and woken for the answer, one that sends as fast as
//! it can never sleeps. So both of the engine's are here, each beside its like: of what is due far faster than it
//! can send, the engine sends what its bound in flight lets through, as many at once as the peers' users are.

use std::{
    io,
    process::{Command, Output},
};

use anyhow::{Context, ensure};
use driver::report::Row;
use lab_load::schedule::RatePerSecond;

use crate::{
    load::{self, CONNECTIONS, UNBOUNDED},
    median,
    server::Server,
    spread,
};

const SECONDS: u64 = 3;
const RATE: f64 = 10_000.0;
/// More than can be answered.
const TOO_MANY: f64 = RatePerSecond::MAX;
const ROUNDS: usize = 3;
const GROUP: &str = "CPU per request";

/// A tool that sends requests.
struct Sender {
    name: String,
    command: Command,
    /// The requests that its output tells of.
    count: fn(&Output) -> anyhow::Result<f64>,
    /// How to get it.
    get: &'static str,
    /// µs of CPU per request, by round.
    costs: Vec<f64>,
}

/// CPU per request of each, and the engine's as a multiple of that of its like, round by round.
pub(crate) fn cpu_per_request() -> anyhow::Result<Vec<Row>> {
    let server = Server::start()?;
    let mut senders = senders(&server.address)?;
    for round in 1..=ROUNDS {
        eprintln!("CPU per request, round {round} of {ROUNDS} …");
        for sender in &mut senders {
            if let Some((output, cpu)) = timed(&sender.command)? {
                sender.costs.push(cpu / (sender.count)(&output)? * 1e6);
            }
        }
    }
    let mut rows: Vec<Row> = senders.iter().map(Sender::row).collect();
    let [on_time, fast, wrk, wrk_woken, oha, oha_fast] = &senders;
    rows.extend(fast.against(
        wrk,
        "the engine against wrk, both as fast as they can",
        Some(1.1),
    ));
    rows.extend(fast.against(
        oha_fast,
        "the engine against oha, both as fast as they can",
        None,
    ));
    rows.extend(on_time.against(
        wrk_woken,
        "the engine on time against wrk, both woken",
        None,
    ));
    rows.extend(on_time.against(oha, "the engine on time against oha at the same rate", None));
    Ok(rows)
}

fn senders(address: &str) -> anyhow::Result<[Sender; 6]> {
    let url = format!("http://{address}/");
    let engine = |name, rate, in_flight| {
        anyhow::Ok(Sender {
            name,
            command: load::command(address, rate, SECONDS, in_flight)?,
            count: |output| Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?),
            get: "",
            costs: Vec::new(),
        })
    };
    let wrk = |name, connections| Sender {
        name,
        command: closed_wrk(&url, SECONDS, connections),
        count: wrk_requests,
        get: "not here; apt-get install wrk, brew install wrk",
        costs: Vec::new(),
    };
    let oha = |name, command| Sender {
        name,
        command,
        count: oha_requests,
        get: "not here; cargo install oha",
        costs: Vec::new(),
    };
    let fast = format!("as fast as it can, {CONNECTIONS} at once");
    Ok([
        engine(
            format!("the engine, each of {RATE} req/s on time"),
            RATE,
            UNBOUNDED,
        )?,
        engine(format!("the engine {fast}"), TOO_MANY, CONNECTIONS)?,
        wrk(format!("wrk, closed, {fast}"), CONNECTIONS),
        wrk(
            "wrk, closed, one connection: woken for each answer".to_owned(),
            1,
        ),
        oha(
            format!("oha at {RATE} req/s, some ms late"),
            open_oha(&url, RATE, SECONDS),
        ),
        oha(format!("oha, closed, {fast}"), closed_oha(&url, SECONDS)),
    ])
}

impl Sender {
    fn row(&self) -> Row {
        let figure = match self.costs[..] {
            [] => self.get.to_owned(),
            _ => spread(&self.costs, |value| format!("{value:.1} µs")),
        };
        Row::figure(GROUP, &self.name, figure)
    }

    /// The ratio of the costs, beside its bar; none where the peer isn't there.
    fn against(&self, peer: &Self, name: &str, at_most: Option<f64>) -> Option<Row> {
        let pairs = self.costs.iter().zip(&peer.costs);
        let ratios: Vec<f64> = pairs.map(|(own, peer)| own / peer).collect();
        let figure = spread(&ratios, |ratio| format!("{ratio:.2} ×"));
        let row = Row::figure(GROUP, name, figure);
        let row = match at_most {
            Some(at_most) => row.bar(format!("≤ {at_most} ×"), median(&ratios) <= at_most),
            None => row,
        };
        (!ratios.is_empty()).then_some(row)
    }
}

/// `wrk` with one thread: users who wait for each answer before they ask again.
pub(crate) fn closed_wrk(url: &str, seconds: u64, connections: usize) -> Command {
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
    let mut command = closed_oha(url, seconds);
    command.args(["-q", &rate.to_string()]);
    command
}

/// `oha` as fast as it can: users who wait for each answer.
fn closed_oha(url: &str, seconds: u64) -> Command {
    let mut command = Command::new("oha");
    command
        .args(["--no-tui", "--no-color", "--output-format", "json"])
        .args(["-c", &CONNECTIONS.to_string()])
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
