//! A service that stands still for one second of six, as each tool tells it.

use std::{
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use driver::report::Row;
use lab_load::{Sample, summary::Distribution};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    load,
    peers::{closed_wrk, open_oha, output_of},
    server::Server,
};

const SECONDS: u64 = 6;
const RATE: f64 = 1_000.0;
const BEGINS: Duration = Duration::from_millis(2_500);
const LASTS: Duration = Duration::from_secs(1);
const GROUP: &str = "A stall of 1 s in 6 s, p90 at 1,000 req/s";

pub(crate) fn as_each_tells_it() -> anyhow::Result<Vec<Row>> {
    eprintln!("a stall, as the engine tells it …");
    let mut plan = load::plan(RATE, Duration::from_secs(SECONDS), 1)?;
    // Theory knows no cost of a thousand new connections at the end of the stall.
    plan.connections_per_target = 1_100;
    let (recording, stall) = stalled(|server| load::run(&plan, &server.address))?;
    let theory = theory(stall);
    let times: Distribution = recording
        .samples
        .iter()
        .map(|sample| (Sample::latency(sample), false))
        .collect();
    let seen = times.percentile(90).context("nothing was sent")?.ms;
    let figure = format!(
        "{seen:.0} ms, {:+.1} % of theory",
        (seen / theory - 1.0) * 100.0
    );
    let mut rows = vec![
        Row::figure(GROUP, "in theory", format!("{theory:.0} ms")),
        Row::figure(GROUP, "the engine", figure)
            .bar("± 10 % of theory", (seen / theory - 1.0).abs() <= 0.1),
    ];

    let mut tell = |name: &str, command: fn(&str) -> Command, p90: fn(&str) -> Option<String>| {
        eprintln!("a stall, as {name} tells it …");
        let run = |server: &Server| output_of(&mut command(&format!("http://{}/", server.address)));
        let (output, _) = stalled(run)?;
        let figure = match output {
            None => "not here".to_owned(),
            Some(output) => p90(&String::from_utf8_lossy(&output.stdout))
                .unwrap_or_else(|| "it says none".to_owned()),
        };
        rows.push(Row::figure(GROUP, name, figure));
        anyhow::Ok(())
    };
    tell(
        "wrk, closed",
        |url| closed_wrk(url, SECONDS, load::CONNECTIONS),
        wrk_p90,
    )?;
    tell(
        "oha -q, as it comes",
        |url| open_oha(url, RATE, SECONDS),
        oha_p90,
    )?;
    let corrected = |url: &str| {
        let mut command = open_oha(url, RATE, SECONDS);
        command.arg("--latency-correction");
        command
    };
    tell("oha -q --latency-correction", corrected, oha_p90)?;
    Ok(rows)
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

/// From `     90%    1.23ms`.
fn wrk_p90(text: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("90%"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

fn oha_p90(text: &str) -> Option<String> {
    let said: serde_json::Value = serde_json::from_str(text).ok()?;
    let seconds = said["latencyPercentiles"]["p90"].as_f64()?;
    Some(format!("{:.1} ms", seconds * 1e3))
}
