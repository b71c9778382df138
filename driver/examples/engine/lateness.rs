//! How late sends leave, beside the floor: a thread that only sleeps to the same moments.

use std::{
    thread,
    time::{Duration, Instant},
};

use lab_load::summary::Distribution;
use lab_report::Row;
use lab_say::note;

use crate::{load, median, server::Server, spread};

const LENGTH: Duration = Duration::from_secs(1);
const ROUNDS: usize = 11;
const GROUP: &str = "Lateness of sends, p99";

/// At each rate the engine's 99th percentile as a multiple of the floor's, round by round.
pub(crate) fn against_the_floor() -> anyhow::Result<Vec<Row>> {
    let server = Server::start()?;
    let mut rows = Vec::new();
    for (rate, name) in [(500.0, "500"), (2_000.0, "2,000"), (10_000.0, "10,000")] {
        note!("lateness at {name} req/s …");
        let plan = load::plan(rate, LENGTH, 1)?;
        let (mut floors, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let floor = p99(floor(plan.classes[0].schedule.arrivals()));
            let recording = load::run(&plan, &server.address)?;
            let engine = recording.cells.lateness().p99().as_secs_f64() * 1e6;
            floors.push(floor);
            ratios.push(engine / floor);
        }
        let figure = format!(
            "{}; the floor is {:.0} µs",
            spread(&ratios, 2, "×"),
            median(&floors)
        );
        let row = Row::figure(
            GROUP,
            format!("at {name} req/s, against clock_nanosleep"),
            figure,
        );
        rows.push(row.bar("≤ 2 ×", median(&ratios) <= 2.0));
    }
    Ok(rows)
}

/// Microseconds.
fn p99(times: impl Iterator<Item = Duration>) -> f64 {
    let times: Distribution = times.map(|time| (time, false)).collect();
    times
        .percentile(99)
        .map_or(f64::NAN, |quantile| quantile.ms * 1e3)
}

/// How late a thread wakes that sleeps to each arrival and does nothing else; the standard library sleeps
/// with `clock_nanosleep` on Linux.
fn floor(arrivals: impl Iterator<Item = Duration>) -> impl Iterator<Item = Duration> {
    let t0 = Instant::now();
    arrivals.map(move |at| {
        thread::sleep((t0 + at).saturating_duration_since(Instant::now()));
        t0.elapsed().saturating_sub(at)
    })
}
