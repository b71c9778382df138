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

/// How to get the peers.
const WRK: &str = "not here; apt-get install wrk, brew install wrk";
const OHA: &str = "not here; cargo install oha";

/// The engine's CPU per request as a multiple of that of each peer, round by round.
pub(crate) fn cpu_per_request() -> anyhow::Result<Vec<Row>> {
    let server = Server::start()?;
    let url = format!("http://{}/", server.address);
    let (mut paced, mut fast) = (Vec::new(), Vec::new());
    let (mut wrk, mut woken) = (Vec::new(), Vec::new());
    let (mut oha, mut oha_fast) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("CPU per request, round {round} of {ROUNDS} …");
        for (rate, in_flight, costs) in [
            (RATE, UNBOUNDED, &mut paced),
            (TOO_MANY, CONNECTIONS, &mut fast),
        ] {
            let mut command = load::command(&server.address, rate, SECONDS, in_flight)?;
            let (output, cpu) = timed(&mut command)?.context("itself")?;
            let answered: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
            costs.push(cpu / answered * 1e6);
        }
        for (connections, costs) in [(CONNECTIONS, &mut wrk), (1, &mut woken)] {
            if let Some((output, cpu)) = timed(&mut closed_wrk(&url, SECONDS, connections))? {
                costs.push(cpu / wrk_requests(&output)? * 1e6);
            }
        }
        for (mut command, costs) in [
            (open_oha(&url, RATE, SECONDS), &mut oha),
            (oha_of(&url, SECONDS), &mut oha_fast),
        ] {
            if let Some((output, cpu)) = timed(&mut command)? {
                costs.push(cpu / oha_requests(&output)? * 1e6);
            }
        }
    }
    let micros = |value: f64| format!("{value:.1} µs");
    let mut rows = vec![
        Row::figure(
            GROUP,
            format!("the engine, each of {RATE} req/s on time"),
            spread(&paced, micros),
        ),
        Row::figure(
            GROUP,
            format!("the engine as fast as it can, {CONNECTIONS} at once"),
            spread(&fast, micros),
        ),
    ];
    if wrk.is_empty() {
        rows.push(Row::figure(GROUP, "wrk", WRK));
    } else {
        let (ratio, figure) = against(&fast, &wrk);
        rows.push(Row::figure(
            GROUP,
            format!("wrk, closed, as fast as it can, {CONNECTIONS} at once"),
            spread(&wrk, micros),
        ));
        rows.push(Row::figure(
            GROUP,
            "wrk, closed, one connection: woken for each answer",
            spread(&woken, micros),
        ));
        rows.push(
            Row::figure(GROUP, "the engine at its fastest against wrk", figure)
                .bar("≤ 1.1 ×", ratio <= 1.1),
        );
        rows.push(Row::figure(
            GROUP,
            "the engine on time against wrk, both woken",
            against(&paced, &woken).1,
        ));
    }
    if oha.is_empty() {
        rows.push(Row::figure(GROUP, "oha", OHA));
    } else {
        rows.push(Row::figure(
            GROUP,
            format!("oha at {RATE} req/s, some ms late"),
            spread(&oha, micros),
        ));
        rows.push(Row::figure(
            GROUP,
            "the engine on time against oha",
            against(&paced, &oha).1,
        ));
        rows.push(Row::figure(
            GROUP,
            format!("oha, closed, as fast as it can, {CONNECTIONS} at once"),
            spread(&oha_fast, micros),
        ));
        rows.push(Row::figure(
            GROUP,
            "the engine at its fastest against oha",
            against(&fast, &oha_fast).1,
        ));
    }
    Ok(rows)
}

/// The median ratio, and all for people.
fn against(engine: &[f64], peer: &[f64]) -> (f64, String) {
    let ratios: Vec<f64> = engine
        .iter()
        .zip(peer)
        .map(|(engine, peer)| engine / peer)
        .collect();
    (
        median(&ratios),
        spread(&ratios, |ratio| format!("{ratio:.2} ×")),
    )
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
    let mut command = oha_of(url, seconds);
    command.args(["-q", &rate.to_string()]);
    command
}

/// `oha` as fast as it can.
fn oha_of(url: &str, seconds: u64) -> Command {
    let mut command = Command::new("oha");
    command
        .args(["--no-tui", "--no-color", "--output-format", "json"])
        .args(["-c", &CONNECTIONS.to_string()])
        .args(["-z", &format!("{seconds}s"), url]);
    command
}

/// Runs a command; its output and its CPU time in seconds. None where there is no such program.
fn timed(command: &mut Command) -> anyhow::Result<Option<(Output, f64)>> {
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
