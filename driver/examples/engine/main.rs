//! The load engine beside its peers, on the same server and machine, in one run: CPU per request, lateness of
//! sends, what a stall looks like, and the memory of a million requests. `make bench` runs it and makes a table of the rows that it prints, one
//! JSON object a line; progress goes to standard error.
//!
//! Peers are `wrk` (Debian and Homebrew have it) and `oha` (`cargo install oha`); one that is not there gets a
//! row that says so. `loops` measures one send loop beside two and nothing else. `--long` adds a run of ten million requests, which takes a quarter of an hour.

#[cfg(target_os = "linux")]
mod bare;
mod lateness;
mod load;
mod loops;
mod peers;
mod server;
mod stall;

use std::process::ExitCode;

use lab_report::Row;
use lab_say::{note, say};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        // Its own child processes, so that the CPU of each part is counted apart.
        ["server"] => server::serve(),
        #[cfg(target_os = "linux")]
        ["bare", address, rate, seconds] => bare::main(address, rate, seconds),
        #[cfg(not(target_os = "linux"))]
        ["bare", ..] => std::process::exit(peers::NO_FIGURE),
        ["chunks"] => loops::serve(),
        ["load", address, rate, seconds, at_once] => load::main(address, rate, seconds, at_once),
        ["loops", address, rate, seconds, at_once, loops] => {
            load::of_loops(address, rate, seconds, at_once, loops)
        }
        ["loops"] => loops::one_and_two().map(|rows| rows.into_iter().for_each(print)),
        _ => bench(words.contains(&"--long")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn bench(long: bool) -> anyhow::Result<()> {
    peers::cpu_per_request()?.into_iter().for_each(print);
    loops::one_and_two()?.into_iter().for_each(print);
    lateness::against_the_floor()?.into_iter().for_each(print);
    stall::as_each_tells_it()?.into_iter().for_each(print);
    print(load::memory(1)?);
    if long {
        print(load::memory(10)?);
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "for `for_each`")]
fn print(row: Row) {
    say!(
        "{}",
        serde_json::to_string(&row).expect("a row is plain text")
    );
}

/// Median with the least and the most, as `1.23 × (1.11–1.40)`.
fn spread(values: &[f64], digits: usize, unit: &str) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    let middle = median(values);
    format!("{middle:.digits$} {unit} ({least:.digits$}–{most:.digits$})")
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
