//! One send loop and two that share a schedule: CPU per request, and how many requests a second.
//!
//! As fast as they can against the server of all, two loops and the server want three CPUs; on two the rate says how they
//! share them and nothing of the loops. What a request costs says it all the same: while it stays what it is, each loop
//! sends as much on a core of its own as one does alone. And there are answers that cost a loop many times what they cost
//! the responder, so that loops are what the rate hangs on: in thousands of chunks of one byte, ready-made.

use std::process::Command;

use anyhow::Context;
use lab_report::Row;
use lab_say::{note, say};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    median,
    peers::{self, TOO_MANY, timed},
    server::Server,
    spread,
};

const SECONDS: u64 = 2;
const ROUNDS: usize = 7;
const AT_ONCE: u32 = 100;
const GROUP: &str = "Two loops against one";

/// More than two loops can take of such answers, and not so many that it would cost them much to plan what they can't send.
const HEAVY_RATE: f64 = 40_000.0;

/// Chunks of an answer. In 6 bytes each, of which the loop reads every one and the responder none.
const CHUNKS: usize = 8_000;

/// With less there is no 1.8 × the rate: two loops of which each request costs 1.11 × as much send 2 ÷ 1.11.
const GROWTH: f64 = 1.8;

/// What loops did in a round.
struct Done {
    per_second: f64,
    /// µs of CPU.
    per_request: f64,
}

/// Both figures of one loop and of two, in turn, and their ratios round by round.
pub(crate) fn one_and_two() -> anyhow::Result<Vec<Row>> {
    let (quick, heavy) = (Server::start()?, Server::start_as("chunks")?);
    let mut rows = Vec::new();
    for (server, rate, name) in [
        (&quick, TOO_MANY, "as fast as they can, 100 at once"),
        (&heavy, HEAVY_RATE, "answers that cost a loop most"),
    ] {
        note!("loops, {name} …");
        let (one, two) = (command(server, rate, 1)?, command(server, rate, 2)?);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push([done(&one)?, done(&two)?]);
        }
        rows.extend(table(name, &rounds));
    }
    Ok(rows)
}

/// The `loops` process.
fn command(server: &Server, rate: f64, loops: u32) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["loops", &server.address]).args([
        rate.to_string(),
        SECONDS.to_string(),
        AT_ONCE.to_string(),
        loops.to_string(),
    ]);
    Ok(command)
}

fn done(command: &Command) -> anyhow::Result<Done> {
    let (output, cpu) = timed(command)?.context("this program is there")?;
    let answers = peers::said(&output)?;
    Ok(Done {
        per_second: answers / SECONDS as f64,
        per_request: cpu / answers * 1e6,
    })
}

fn table(name: &str, rounds: &[[Done; 2]]) -> Vec<Row> {
    let of = |loops: usize, figure: fn(&Done) -> f64| -> Vec<f64> {
        rounds.iter().map(|round| figure(&round[loops])).collect()
    };
    let ratios = |figure: fn(&Done) -> f64| -> Vec<f64> {
        let ratio = |[one, two]: &[Done; 2]| figure(two) / figure(one);
        rounds.iter().map(ratio).collect()
    };
    let mut rows = Vec::new();
    for (index, loops) in ["one loop", "two loops"].into_iter().enumerate() {
        let figure = format!(
            "{} of CPU, {}",
            spread(&of(index, |done| done.per_request), 1, "µs"),
            spread(&of(index, |done| done.per_second), 0, "req/s")
        );
        rows.push(Row::figure(GROUP, format!("{name}: {loops}"), figure));
    }
    let (cpu, rate) = (
        ratios(|done| done.per_request),
        ratios(|done| done.per_second),
    );
    let most = 2.0 / GROWTH;
    let row = Row::figure(
        GROUP,
        format!("{name}: CPU per request"),
        spread(&cpu, 2, "×"),
    );
    rows.push(row.bar(format!("≤ {most:.2} ×"), median(&cpu) <= most));
    rows.push(growth(name, &rate));
    rows
}

/// The growth of the rate, beside its bar where loops and responder can have a CPU each.
fn growth(name: &str, rate: &[f64]) -> Row {
    let figure = spread(rate, 2, "×");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if cpus < 3 {
        let figure = format!("{figure}, on {cpus} CPUs with the responder");
        return Row::figure(GROUP, format!("{name}: rate"), figure);
    }
    let row = Row::figure(GROUP, format!("{name}: rate"), figure);
    row.bar(format!("≥ {GROWTH} ×"), median(rate) >= GROWTH)
}

/// The `chunks` process: answers every request with the same bytes.
pub(crate) fn serve() -> anyhow::Result<()> {
    let chunks = "1\r\nx\r\n".repeat(CHUNKS);
    let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let answer: &'static [u8] = answer.into_bytes().leak();
    crate::server::run(async |listener: TcpListener| {
        say!("{}", listener.local_addr()?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut request = [0; 1024];
                // A request of the engine comes in one piece, and the next one after the answer.
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    })
}
