//! The engine itself, in this process or in one of its own.

use std::{net::SocketAddr, num::NonZeroU32, pin::pin, process::Command, time::Duration};

use anyhow::{Context, ensure};
use lab_load::{
    Cells, ClassPlan, LoadError, Plan, Recording, Running, Sample, Targets,
    schedule::{RatePerSecond, Shape, Spacing, Stretch},
    summary::{self, Span},
};
use lab_report::Row;
use lab_say::{note, say};
use tokio::{
    runtime::Runtime,
    sync::{mpsc, watch},
    time::interval,
};
use tokio_util::sync::CancellationToken;

use crate::{
    peers::{MOST_LATE, NO_FIGURE},
    server::Server,
};

/// As many as the peers get, where it is not said otherwise.
pub(crate) const CONNECTIONS: u32 = 32;

/// Requests at a rate for some time: one at once, without a bound, or bursts of several, which then are the bound in
/// flight, too.
pub(crate) fn plan(rate: f64, length: Duration, at_once: u32) -> anyhow::Result<Plan> {
    let stretch = Stretch {
        length,
        shape: Shape::Constant(RatePerSecond::try_from(rate)?),
    };
    let of = NonZeroU32::new(at_once).context("none at once")?;
    let mut class = ClassPlan::get("quick", "/", vec![stretch]);
    if at_once > 1 {
        class.max_in_flight = at_once as usize;
    }
    class.schedule.spacing = Spacing::Bursts { of };
    let all = Span {
        name: "all".into(),
        from: Duration::ZERO,
        to: length,
    };
    Ok(Plan {
        connections_per_target: at_once.max(CONNECTIONS) as usize,
        drain: Duration::from_secs(10),
        // As a rule there is one; where many more requests are planned than can be sent it would be more.
        loops: NonZeroU32::new(1),
        phases: vec![all],
        ..Plan::of("bench", vec![class])
    })
}

/// Runs a plan to its end.
pub(crate) fn run(plan: &Plan, address: &str) -> anyhow::Result<Recording> {
    let (_targets, targets) = watch::channel(api(address)?);
    let (live, _) = mpsc::unbounded_channel();
    runtime()?.block_on(async { Ok(start(plan, targets, live).await?.finish().await?) })
}

/// The same, and takes in what becomes of the requests meanwhile, as a driver does for whoever looks on.
fn run_watched(plan: &Plan, address: &str) -> anyhow::Result<Recording> {
    let (_targets, targets) = watch::channel(api(address)?);
    let (live, mut samples) = mpsc::unbounded_channel();
    runtime()?.block_on(async {
        let mut load = pin!(start(plan, targets, live).await?.finish());
        let mut ticks = interval(Duration::from_millis(250));
        let mut seen = Cells::new(plan);
        loop {
            tokio::select! {
                ended = &mut load => return Ok(ended?),
                _ = ticks.tick() => while let Ok(sample) = samples.try_recv() {
                    seen.add(&sample);
                },
            }
        }
    })
}

async fn start(
    plan: &Plan,
    targets: watch::Receiver<Targets>,
    live: mpsc::UnboundedSender<Sample>,
) -> Result<Running, LoadError> {
    let (told, _) = mpsc::unbounded_channel();
    lab_load::start(plan.clone(), targets, live, told, CancellationToken::new()).await
}

fn api(address: &str) -> anyhow::Result<Targets> {
    let address: SocketAddr = address.parse()?;
    Ok(Targets {
        api: vec![address.into()],
        ..Targets::default()
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
}

/// The `load` process: prints how many requests were answered. One that should send each on time has no figure where it
/// did not.
pub(crate) fn main(address: &str, rate: &str, seconds: &str, at_once: &str) -> anyhow::Result<()> {
    let length = Duration::from_secs(seconds.parse()?);
    let (rate, at_once): (f64, u32) = (rate.parse()?, at_once.parse()?);
    let mut plan = plan(rate, length, at_once)?;
    plan.lateness = Duration::from_secs_f64(1.0 / rate);
    let recording = run(&plan, address)?;
    if at_once == 1 && recording.cells.lateness().late_share() > MOST_LATE {
        std::process::exit(NO_FIGURE);
    }
    let classes = summary::classes(&plan, &recording.cells);
    summary::verify_books(&plan, &recording, &classes).map_err(anyhow::Error::msg)?;
    say!("{}", classes[0].total.counts.ok);
    note!("peak {} KiB", peak_kib()?);
    Ok(())
}

/// The `loops` process: prints how many requests so many loops have had answered, while somebody looks on.
pub(crate) fn of_loops(
    address: &str,
    rate: &str,
    seconds: &str,
    at_once: &str,
    loops: &str,
) -> anyhow::Result<()> {
    let length = Duration::from_secs(seconds.parse()?);
    let mut plan = plan(rate.parse()?, length, at_once.parse()?)?;
    plan.loops = Some(loops.parse()?);
    let recording = run_watched(&plan, address)?;
    let classes = summary::classes(&plan, &recording.cells);
    summary::verify_books(&plan, &recording, &classes).map_err(anyhow::Error::msg)?;
    say!("{}", classes[0].total.counts.ok);
    Ok(())
}

/// The `load` process as a command.
pub(crate) fn command(
    address: &str,
    rate: f64,
    seconds: u64,
    at_once: u32,
) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", address]).args([
        rate.to_string(),
        seconds.to_string(),
        at_once.to_string(),
    ]);
    Ok(command)
}

/// Memory of a run of so many requests.
pub(crate) fn memory(millions: u64) -> anyhow::Result<Row> {
    const RATE: u64 = 10_000;
    // What is in flight has its own memory; on a machine that can't keep up it would be most of it.
    const AT_ONCE: u32 = 100;
    const MOST_MIB: f64 = 64.0;
    let seconds = millions * 1_000_000 / RATE;
    note!("{millions} million requests, {seconds} s …");
    let server = Server::start()?;
    let output = command(&server.address, RATE as f64, seconds, AT_ONCE)?.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the long run failed: {said}");
    let answered = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut words = said.split_whitespace().rev();
    let peak = words.nth(1).and_then(|kib| kib.parse::<f64>().ok());
    let mib = peak.context("no peak was said")? / 1024.0;
    let row = Row::figure(
        "Memory of the load",
        format!("of {millions} million requests, 10,000 a second"),
        format!("{mib:.0} MiB at most, {answered} answers"),
    );
    Ok(row.bar(format!("≤ {MOST_MIB} MiB"), mib <= MOST_MIB))
}

/// The most memory that this process has had.
fn peak_kib() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) {
        return Ok(line
            .split_whitespace()
            .nth(1)
            .context("a figure")?
            .parse()?);
    }
    // Off Linux: what it has now, which after a run is about the most.
    let id = std::process::id().to_string();
    let output = Command::new("ps")
        .args(["-o", "rss=", "-p", &id])
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}
