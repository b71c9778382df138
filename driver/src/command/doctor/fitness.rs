//! Whether this machine is quiet enough for runs: five seconds of its clock and its cores, judged by what a run's
//! self-check makes of the same.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use lab_load::watch_for;
use rustix::time::{ClockId, clock_gettime};

use crate::{
    platform::local::{Finding, State},
    selfcheck::Limits,
};

const NAME: &str = "fitness";

/// How long the clock is watched, and then the cores.
const CLOCK: Duration = Duration::from_secs(3);
const CORES: Duration = Duration::from_secs(2);

/// Below this share of the cores, others on this machine take so much that runs are likely to be disturbed: a run keeps
/// two cores about half busy.
const ENOUGH: f64 = 0.6;

/// What was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Share of wake-ups that were later than a send may be, 0 to 1.
    late: f64,
    /// The latest of them.
    worst: Duration,
    /// Share of all cores that we get where we want all of it, 0 to 1.
    share: f64,
}

/// Looks, which takes five seconds.
pub(super) fn finding() -> Finding {
    let limits = Limits::default();
    let clock = match watch_for(CLOCK) {
        Ok(clock) => clock,
        Err(error) => return Finding::new(NAME, State::Note, format!("not seen: {error}")),
    };
    let seen = Seen {
        late: clock.late_share(limits.lateness),
        worst: clock.worst(),
        share: cores(),
    };
    judge(&seen, &limits, &circumstances())
}

fn judge(seen: &Seen, limits: &Limits, circumstances: &[&str]) -> Finding {
    let (suspect, invalid) = limits.late_sends;
    let would_be = if seen.late > invalid {
        Some("INVALID")
    } else if seen.late > suspect {
        Some("SUSPECT")
    } else {
        None
    };
    let clock = format!(
        "{:.1} % of its wake-ups are more than {} ms late (worst {:.1} ms)",
        seen.late * 100.0,
        limits.lateness.as_millis(),
        seen.worst.as_secs_f64() * 1e3,
    );
    let cores = format!(
        "it gives us {:.0} % of its cores, of which runs want {:.0} %",
        seen.share * 100.0,
        ENOUGH * 100.0
    );
    if would_be.is_none() && seen.share >= ENOUGH {
        return Finding::new(
            NAME,
            State::Ok,
            format!("quiet enough for runs: {clock}, and {cores}"),
        );
    }
    let so = would_be.map_or_else(
        || format!("runs may be disturbed now: {cores}; its clock is fine, {clock}"),
        |word| format!("runs would be {word} now: {clock}, and {cores}"),
    );
    let mut causes = vec!["close what else works on it"];
    causes.extend(circumstances);
    Finding::new(NAME, State::Note, format!("{so}; {}", causes.join("; ")))
}

/// Wants all of every core, and sees how much it gets.
fn cores() -> f64 {
    let count = thread::available_parallelism().map_or(1, usize::from);
    let works = |_| {
        thread::spawn(|| {
            let begun = Instant::now();
            while begun.elapsed() < CORES {
                std::hint::spin_loop();
            }
            let used = clock_gettime(ClockId::ThreadCPUTime);
            let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
            used / begun.elapsed().as_secs_f64()
        })
    };
    let threads: Vec<_> = (0..count).map(works).collect();
    let shares = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_default());
    shares.sum::<f64>() / count as f64
}

/// What is known to disturb clocks, where it is so here.
fn circumstances() -> Vec<&'static str> {
    let mut found = Vec::new();
    if on_battery() {
        found.push("plug the charger in: on battery clocks and cores are slower");
    }
    if is_virtual() {
        found.push("this is a virtual machine: its host's other work disturbs it, too");
    }
    found
}

fn on_battery() -> bool {
    if cfg!(target_os = "macos") {
        return says("pmset", &["-g", "batt"]).contains("'Battery Power'");
    }
    let supplies = fs::read_dir("/sys/class/power_supply")
        .into_iter()
        .flatten()
        .flatten();
    let discharging = |path: std::path::PathBuf| {
        fs::read_to_string(path.join("status")).is_ok_and(|status| status.trim() == "Discharging")
    };
    supplies.map(|supply| supply.path()).any(discharging)
}

fn is_virtual() -> bool {
    if cfg!(target_os = "macos") {
        return says("sysctl", &["-n", "kern.hv_vmm_present"]).trim() == "1";
    }
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpus.split_whitespace().any(|flag| flag == "hypervisor")
}

fn says(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(late: f64, share: f64) -> Finding {
        let seen = Seen {
            late,
            worst: Duration::from_millis(40),
            share,
        };
        judge(&seen, &Limits::default(), &["plug the charger in"])
    }

    #[test]
    fn it_is_judged_as_the_self_check_judges_a_run() {
        let quiet = judged(0.005, 0.97);
        assert_eq!(quiet.state, State::Ok);
        assert!(
            quiet
                .text
                .contains("0.5 % of its wake-ups are more than 25 ms late (worst 40.0 ms)"),
            "{}",
            quiet.text
        );
        for (late, share, words) in [
            (0.03, 0.97, "runs would be SUSPECT now: 3.0 %"),
            (0.2, 0.97, "runs would be INVALID now: 20.0 %"),
            (
                0.0,
                0.4,
                "runs may be disturbed now: it gives us 40 % of its cores",
            ),
        ] {
            let found = judged(late, share);
            assert_eq!(found.state, State::Note);
            assert!(found.text.starts_with(words), "{}", found.text);
            assert!(
                found
                    .text
                    .ends_with("close what else works on it; plug the charger in"),
                "{}",
                found.text
            );
        }
    }

    #[test]
    fn no_more_of_a_core_is_given_than_there_is() {
        let share = cores();
        assert!(share > 0.0 && share < 1.05, "{share}");
    }
}
