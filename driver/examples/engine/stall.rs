//! A service that stands still for one second of six, as each tool tells it.

use std::{
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use lab_load::summary::Distribution;
use lab_report::Row;
use lab_say::note;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    load, median,
    peers::{closed_wrk, open_oha, output_of},
    server::Server,
    spread,
};

const SECONDS: u64 = 6;
const RATE: f64 = 1_000.0;
const BEGINS: Duration = Duration::from_millis(2_500);
const LASTS: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;
const GROUP: &str = "A stall of 1 s in 6 s, p90 at 1,000 req/s";

/// Sends, and tells the 90th percentile in milliseconds; none where there is no such program.
type P90 = fn(&Server) -> anyhow::Result<Option<f64>>;

/// Something that sends and tells.
struct Teller {
    name: &'static str,
    p90: P90,
    /// Milliseconds, by round.
    told: Vec<f64>,
    /// As multiples of what theory says of the round's stall.
    ratios: Vec<f64>,
}

const TELLERS: [(&str, P90); 4] = [
    ("the engine", engine_p90),
    ("wrk, closed", wrk_p90),
    ("oha -q, as it comes", |server| {
        oha_p90(open_oha(&server.url(), RATE, SECONDS))
    }),
    ("oha -q --latency-correction", |server| {
        let mut command = open_oha(&server.url(), RATE, SECONDS);
        command.arg("--latency-correction");
        oha_p90(command)
    }),
];

/// What each tells, beside theory, round by round.
pub(crate) fn as_each_tells_it() -> anyhow::Result<Vec<Row>> {
    let mut tellers = TELLERS.map(|(name, p90)| Teller {
        name,
        p90,
        told: Vec::new(),
        ratios: Vec::new(),
    });
    for round in 1..=ROUNDS {
        note!("a stall as each tells it, round {round} of {ROUNDS} …");
        for teller in &mut tellers {
            teller.listen()?;
        }
    }
    let mut rows: Vec<Row> = tellers.iter().map(Teller::row).collect();
    let off = median(&tellers[0].ratios) - 1.0;
    rows[0] = rows[0].clone().bar("± 10 % of theory", off.abs() <= 0.1);
    Ok(rows)
}

impl Teller {
    fn listen(&mut self) -> anyhow::Result<()> {
        let (told, stall) = stalled(self.p90)?;
        if let Some(told) = told {
            self.told.push(told);
            self.ratios.push(told / theory(stall));
        }
        Ok(())
    }

    fn row(&self) -> Row {
        let figure = match self.told[..] {
            [] => "not here".to_owned(),
            _ => format!(
                "{:.1} ms, of theory {}",
                median(&self.told),
                spread(&self.ratios, 3, "×")
            ),
        };
        Row::figure(GROUP, self.name, figure)
    }
}

fn engine_p90(server: &Server) -> anyhow::Result<Option<f64>> {
    let mut plan = load::plan(RATE, Duration::from_secs(SECONDS), 1)?;
    // Theory knows no cost of a thousand new connections at the end of the stall.
    plan.connections_per_target = 1_100;
    let recording = load::run(&plan, &server.address)?;
    let latencies: Distribution = recording.cells.of(0).map(|(_, cell)| cell).collect();
    let p90 = latencies.percentile(90).context("nothing was sent")?;
    Ok(Some(p90.ms))
}

/// From `     90%    1.23ms`.
fn wrk_p90(server: &Server) -> anyhow::Result<Option<f64>> {
    let Some(output) = output_of(&mut closed_wrk(&server.url(), SECONDS, load::CONNECTIONS))?
    else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().map(str::trim_start);
    let line = lines.find(|line| line.starts_with("90%"));
    let ms = line.and_then(|line| milliseconds(line.split_whitespace().nth(1)?));
    Ok(Some(ms.with_context(|| {
        format!("wrk says no 90th percentile:\n{text}")
    })?))
}

/// From `1.23ms`, or the like in µs or s.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let (number, in_ms) = units
        .iter()
        .find_map(|(unit, in_ms)| Some((text.strip_suffix(unit)?, in_ms)))?;
    Some(number.parse::<f64>().ok()? * in_ms)
}

fn oha_p90(mut command: Command) -> anyhow::Result<Option<f64>> {
    let Some(output) = output_of(&mut command)? else {
        return Ok(None);
    };
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let seconds = said["latencyPercentiles"]["p90"].as_f64();
    Ok(Some(seconds.context("oha says no 90th percentile")? * 1e3))
}

/// Milliseconds. Requests keep arriving while the service stands still, and the one that arrives with `w` of
/// the stall left waits `w`. A tenth of all wait longer than the 90th percentile, so it is the stall less the
/// time in which that many arrive.
fn theory(stall: Duration) -> f64 {
    let tenth = 0.1 * SECONDS as f64;
    (stall.as_secs_f64() - tenth) * 1e3
}

/// Does `work` against a server of its own that stands still meanwhile; for how long it did.
fn stalled<T>(work: impl FnOnce(&Server) -> anyhow::Result<T>) -> anyhow::Result<(T, Duration)> {
    let server = Server::start()?;
    let pid = Pid::from_raw(server.id().cast_signed()).context("a process has an id")?;
    let (tell, told) = mpsc::channel();
    let stopper = thread::spawn(move || {
        thread::sleep(BEGINS);
        let begun = Instant::now();
        let stopped = kill_process(pid, Signal::STOP);
        thread::sleep(LASTS);
        let continued = kill_process(pid, Signal::CONT);
        // The receiver is gone only when the work has failed.
        let _ = tell.send(stopped.and(continued).map(|()| begun.elapsed()));
    });
    let done = work(&server);
    // Not before: the process id must stay that of the server.
    let _ = stopper.join();
    Ok((done?, told.recv()??))
}
