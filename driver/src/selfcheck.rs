//! Whether a run can be believed: turns the figures that the load engine took of itself and of the
//! machine into findings. Pure. It says nothing of the service under test.

use std::time::Duration;

use lab_load::{Connects, HICCUP_CELL, Recording};
use lab_record::{Finding, SelfCheck, Validity};
use lab_remote::PodRecord;

use crate::score::Doubts;

mod loops;
mod pods;
mod standstills;

pub(crate) use loops::record as loop_record;
pub(crate) use pods::record as pod_record;
pub use standstills::Standstills;

/// From which figures on a run is doubted.
///
/// Shares are of 1. Each pair is the last value that is still valid and the last that is still
/// only suspect.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How late a send may leave, as in the plan of the load, and how long the machine may pause.
    ///
    /// 25 ms is above what a busy machine makes of a wake-up (of 262 runs on two shared cores half had a p99 of
    /// lateness below 5 ms, nine in ten below 14 ms) and a quarter of what the scenarios tell apart, which
    /// starts at 100 ms.
    pub lateness: Duration,
    /// Share of sends later than that.
    ///
    /// Lateness is part of the latency that is reported. Up to 1 % of it can't move a p95 and
    /// hardly a p99; from 5 % on the p95 itself may be the driver's.
    pub late_sends: (f64, f64),
    /// Share of a second's sends that may be late before the second counts as disturbed.
    ///
    /// A quarter means that the driver stood still for a quarter of the second: such a gap looks
    /// like a stall of the service on the charts.
    pub late_in_a_second: f64,
    /// Share of seconds disturbed. One disturbed second needs a word, for it may sit on the very
    /// moment that a check looks at; in a tenth of the run it is no longer an incident.
    pub disturbed_seconds: (f64, f64),
    /// Share of 100 ms cells in which the machine paused for longer than the lateness.
    ///
    /// The services share the machine and paused too, so pauses slow answers as well as sends.
    /// 5 % of cells can bring a p95 into doubt; where half of them pause, the machine was measured
    /// and not the service.
    pub paused_cells: (f64, f64),
    /// CPU of the send loop, of one core.
    ///
    /// The time that work spends in the loop grows with 1 / (1 − use): at 70 % it is three times
    /// the work itself, at 95 % twenty times, and the loop is what limits the load.
    pub loop_cpu: (f64, f64),
    /// Whether replicas go with their addresses while they are still sent to, as pods do that are replaced.
    ///
    /// Nobody answers a SYN there, so that some are sent again: the requests fail, which is what is measured.
    pub addresses_go: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lateness: Duration::from_millis(25),
            late_sends: (0.01, 0.05),
            late_in_a_second: 0.25,
            disturbed_seconds: (0.0, 0.1),
            paused_cells: (0.05, 0.5),
            loop_cpu: (0.7, 0.95),
            addresses_go: false,
        }
    }
}

/// Judges a run. `pods` are the load pods, where there were any. `books` is what [`verify_books`] says; `broken` is a sentence about a part of the platform that broke
/// by itself.
///
/// [`verify_books`]: lab_load::summary::verify_books
pub fn judge(
    recording: &Recording,
    pods: &[PodRecord],
    books: &Result<(), String>,
    broken: Option<&str>,
    standstills: &Standstills,
    limits: &Limits,
) -> SelfCheck {
    let mut findings = vec![
        send_lateness(recording, standstills, limits),
        lateness_per_second(recording, standstills, limits),
        balance(recording, books),
        pauses(recording, limits),
        standstills.decided(),
        looks(standstills.doubts),
        cpu(recording, pods, limits),
        connections(recording, limits),
        platform(broken),
    ];
    findings.extend(loops::finding(recording, pods.len(), limits));
    findings.extend(pods::finding(pods, limits));
    SelfCheck {
        validity: findings
            .iter()
            .map(|finding| finding.validity)
            .max()
            .unwrap_or(Validity::Valid),
        findings,
    }
}

fn send_lateness(recording: &Recording, standstills: &Standstills, limits: &Limits) -> Finding {
    let lateness = recording.cells.lateness();
    if lateness.sent() == 0 {
        return finding("send lateness", Validity::Suspect, "Nothing was sent.");
    }
    let share = lateness.late_share();
    // A pause of the driver begins and ends with a cell.
    let apart = recording.cells.all();
    let apart = apart.filter(|(of, _)| !standstills.cover(of.start));
    let (late_apart, sent_apart) = apart.fold((0, 0), |(late, sent), (_, cell)| {
        (late + cell.late, sent + cell.left)
    });
    let share_apart = late_apart as f64 / sent_apart.max(1) as f64;
    finding(
        "send lateness",
        standstills.forgive(
            grade(share, limits.late_sends),
            grade(share_apart, limits.late_sends),
        ),
        format!(
            "{} of {} sends left more than {} late; p99 {}{}, worst {}. {}",
            percent(share),
            lateness.sent(),
            ms(limits.lateness),
            ms(lateness.p99()),
            at_best(recording),
            ms(lateness.worst()),
            allowed(limits.late_sends),
        ),
    )
}

/// How late sends had to be on this machine, where that was seen, as a parenthesis.
fn at_best(recording: &Recording) -> String {
    let floor = recording.floor.map(ms);
    floor.map_or_else(String::new, |floor| {
        format!(" ({floor} for a thread beside the load that only sleeps)")
    })
}

fn lateness_per_second(
    recording: &Recording,
    standstills: &Standstills,
    limits: &Limits,
) -> Finding {
    let mut seconds: Vec<(u64, u64)> = Vec::new();
    let cells = recording.cells.all();
    for (of, cell) in cells.filter(|(_, cell)| cell.left > 0) {
        let second = of.start.as_secs() as usize;
        if seconds.len() <= second {
            seconds.resize(second + 1, (0, 0));
        }
        let (sent, late) = &mut seconds[second];
        *sent += cell.left;
        *late += cell.late;
    }
    let disturbed: Vec<usize> = seconds
        .iter()
        .enumerate()
        .filter(|(_, (sent, late))| *late as f64 > limits.late_in_a_second * *sent as f64)
        .map(|(second, _)| second)
        .collect();
    let apart = disturbed
        .iter()
        .filter(|second| !standstills.touch(**second as u64));
    let share = |count: usize| count as f64 / seconds.len().max(1) as f64;
    let (apart, disturbed) = (apart.count(), disturbed.len());
    finding(
        "lateness per second",
        standstills.forgive(
            grade(share(disturbed), limits.disturbed_seconds),
            grade(share(apart), limits.disturbed_seconds),
        ),
        format!(
            "{disturbed} of {} seconds had more than {} of their sends late. {}",
            seconds.len(),
            percent(limits.late_in_a_second),
            allowed(limits.disturbed_seconds),
        ),
    )
}

fn balance(recording: &Recording, books: &Result<(), String>) -> Finding {
    match books {
        Ok(()) => finding(
            "books",
            Validity::Valid,
            format!(
                "All {} requests are accounted for.",
                recording.cells.requests()
            ),
        ),
        Err(text) => finding(
            "books",
            Validity::Invalid,
            format!("The counts don't add up: {text}. This is a bug, please report it."),
        ),
    }
}

fn pauses(recording: &Recording, limits: &Limits) -> Finding {
    let cells = &recording.hiccups;
    let paused = cells.iter().filter(|of| **of > limits.lateness).count();
    let share = paused as f64 / cells.len().max(1) as f64;
    let worst = cells.iter().max().copied().unwrap_or_default();
    finding(
        "pauses of the machine",
        grade(share, limits.paused_cells),
        format!(
            "In {} of {} cells of {} a sleep of 1 ms ended more than {} late; worst {}. {}",
            percent(share),
            cells.len(),
            ms(HICCUP_CELL),
            ms(limits.lateness),
            ms(worst),
            allowed(limits.paused_cells),
        ),
    )
}

/// Nobody can say whether a check holds that nobody saw; that is a FAIL only where another stands.
fn looks(doubts: &Doubts) -> Finding {
    let (validity, text) = match (&doubts.unseen[..], &doubts.stand[..]) {
        ([], _) => (
            Validity::Valid,
            "No check turns on what nobody saw.".to_owned(),
        ),
        ([first, ..], [stands, ..]) => (
            Validity::Valid,
            format!("{first}; “{stands}” fails all the same."),
        ),
        (unseen, []) => {
            let unseen: Vec<String> = unseen.iter().map(ToString::to_string).collect();
            let text = format!(
                "{}, and would hold by that: the machine was too busy to look, or the code blocks the threads of its \
                 service. Nothing else failed. Run again.",
                unseen.join(", ")
            );
            (Validity::Invalid, text)
        }
    };
    finding("looks", validity, text)
}

fn cpu(recording: &Recording, pods: &[PodRecord], limits: &Limits) -> Finding {
    let send_loop = of_a_core(recording.loop_cpu, recording.wall);
    let (its, whole) = match pods {
        [] if recording.loops.len() > 1 => ("The busiest send loop", "the whole driver"),
        [] => ("The send loop", "the whole driver"),
        [pod] if pod.recording.loops.len() > 1 => ("The busiest send loop", "the whole load pod"),
        [_] => ("The send loop", "the whole load pod"),
        _ => ("The busiest send loop", "all load pods together"),
    };
    finding(
        "CPU of the driver",
        grade(send_loop, limits.loop_cpu),
        format!(
            "{its} used {} of a core, {whole} {}. {}",
            percent(send_loop),
            percent(of_a_core(recording.process_cpu, recording.wall)),
            allowed(limits.loop_cpu),
        ),
    )
}

/// Opening connections during a run is what a slow service causes, and no fault. A SYN sent again
/// is one: it adds a second or more to a request before the service has even heard of it. The
/// count is of the whole machine, so it raises a doubt and decides nothing.
fn connections(recording: &Recording, limits: &Limits) -> Finding {
    let connects = recording.connects;
    let (validity, syn) = match recording.syn_retransmits {
        None => (
            Validity::Valid,
            "This system doesn't count SYN retransmissions.".to_owned(),
        ),
        Some(0) => (Validity::Valid, "No SYN was sent again.".to_owned()),
        Some(count) if limits.addresses_go => (
            Validity::Valid,
            format!("{count} SYN were sent again, as to addresses of replicas that were gone."),
        ),
        Some(count) => (
            Validity::Suspect,
            format!(
                "{count} SYN were sent again on this machine; \
                 latencies near 1 s and 3 s may come from that."
            ),
        ),
    };
    let starved = if connects.starved > 0 {
        format!(
            " {} failed because what sends was out of ports for connections or of open files; \
             close other programs or raise that limit.",
            connects.starved
        )
    } else {
        String::new()
    };
    let retried = match connects.retried {
        0 => String::new(),
        count => format!(
            "Sent again, once each, because the service closed their idle connection as they left: {count}. "
        ),
    };
    finding(
        "connections",
        if connects.starved > 0 {
            Validity::Invalid
        } else {
            validity
        },
        format!(
            "{} opened before the start, {} during the run, {} refused. {retried}{syn}{starved}",
            before(connects),
            connects.after_start,
            connects.refused
        ),
    )
}

/// How many connections there were before the load, and how many were wanted where that is more.
fn before(connects: Connects) -> String {
    let Connects { wanted, before, .. } = connects;
    if before < wanted {
        format!("{before} of {wanted} wanted, as many as the service took,")
    } else {
        before.to_string()
    }
}

fn platform(broken: Option<&str>) -> Finding {
    match broken {
        None => finding("platform", Validity::Valid, "No part of the stack broke."),
        Some(text) => finding("platform", Validity::Invalid, text),
    }
}

fn finding(name: &str, validity: Validity, text: impl Into<String>) -> Finding {
    Finding {
        name: name.to_owned(),
        validity,
        text: text.into(),
    }
}

fn grade(value: f64, (valid, suspect): (f64, f64)) -> Validity {
    if value <= valid {
        Validity::Valid
    } else if value <= suspect {
        Validity::Suspect
    } else {
        Validity::Invalid
    }
}

fn allowed((valid, suspect): (f64, f64)) -> String {
    format!(
        "Suspect above {}, invalid above {}.",
        percent(valid),
        percent(suspect)
    )
}

/// CPU time as a share of one core.
pub(crate) fn of_a_core(cpu: Duration, wall: Duration) -> f64 {
    if wall.is_zero() {
        0.0
    } else {
        cpu.as_secs_f64() / wall.as_secs_f64()
    }
}

fn percent(share: f64) -> String {
    // As fine as it takes to tell what is just above a limit from the limit.
    format!("{} %", (share * 10_000.0).round() / 100.0)
}

fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use lab_load::{Cells, ClassPlan, End, Plan, Sample};
    use lab_record::Pause;

    use super::*;
    use crate::score::{Doubts, Turned, Unseen};

    fn pause(service: Option<&str>, start_s: f64, length_s: f64) -> Pause {
        Pause {
            start_s,
            end_s: start_s + length_s,
            worst_ms: length_s * 1e3,
            service: service.map(str::to_owned),
        }
    }

    fn doubts(turned: &[(&str, Option<&str>)], stand: &[&str]) -> Doubts {
        let turned = turned.iter().map(|(title, outside)| Turned {
            title: (*title).to_owned(),
            outside: outside.map(str::to_owned),
            limit: "≤ 8".to_owned(),
        });
        Doubts {
            turned: turned.collect(),
            unseen: Vec::new(),
            stand: stand.iter().map(|title| (*title).to_owned()).collect(),
            firm: !stand.is_empty(),
        }
    }

    #[test]
    fn what_a_pause_decides_is_no_verdict_and_is_said() {
        let said = |pauses: &[Pause], doubts: &Doubts| {
            let check = judged_with(&recording(|_| 0), pauses, doubts);
            let finding = check
                .findings
                .iter()
                .find(|f| f.name == "pauses and verdict");
            let finding = finding.unwrap();
            (finding.validity, finding.text.clone())
        };
        let one = [pause(None, 7.3, 1.0)];
        let two = [pause(Some("dep"), 2.0, 1.5), pause(None, 7.3, 1.0)];
        let busy = ("busy", Some("4"));
        assert_eq!(
            said(&[], &doubts(&[], &["busy"])),
            (
                Validity::Valid,
                "Nothing stood still for long enough to decide a check.".to_owned()
            )
        );
        assert_eq!(
            said(&one, &doubts(&[], &[])),
            (
                Validity::Valid,
                "A pause of 1.0 s at 7.3 s decided no check.".to_owned()
            )
        );
        assert_eq!(
            said(&one, &doubts(&[busy, ("late", None)], &[])),
            (
                Validity::Invalid,
                "A pause of 1.0 s at 7.3 s decides: without it “busy” holds with 4 (limit ≤ 8), \
                 “late” can't be judged. Run again."
                    .to_owned()
            )
        );
        assert_eq!(
            said(&two, &doubts(&[busy], &["late"])),
            (
                Validity::Valid,
                "A pause of dep of 1.5 s at 2.0 s, the longest of 2, does not decide: without them “late” fails \
                 all the same."
                    .to_owned()
            )
        );
        // Clients gave up meanwhile, so that even what is lost may have been lost by that.
        let (validity, text) = said(&[pause(None, 2.0, 5.5)], &doubts(&[], &["lost"]));
        assert_eq!(validity, Validity::Invalid);
        assert!(text.contains("longer than half of the 10.0 s"), "{text}");
    }

    #[test]
    fn what_nobody_saw_is_no_fail_and_is_said() {
        let said = |unseen: bool, stand: &[&str]| {
            let unseen = unseen.then(|| Unseen {
                title: "idle".to_owned(),
                words: "seen in 72 % of the time".to_owned(),
            });
            let doubts = Doubts {
                unseen: unseen.into_iter().collect(),
                ..doubts(&[], stand)
            };
            let check = judged_with(&recording(|_| 0), &[], &doubts);
            let finding = check.findings.iter().find(|f| f.name == "looks").unwrap();
            (finding.validity, finding.text.clone())
        };
        assert_eq!(said(false, &["late"]).0, Validity::Valid);
        let (validity, text) = said(true, &[]);
        assert_eq!(validity, Validity::Invalid);
        assert!(
            text.starts_with("“idle” was seen in 72 % of the time, and would hold"),
            "{text}"
        );
        let (validity, text) = said(true, &["late"]);
        assert_eq!(validity, Validity::Valid);
        assert_eq!(
            text,
            "“idle” was seen in 72 % of the time; “late” fails all the same."
        );
    }

    #[test]
    fn a_fail_that_stands_without_the_pause_is_not_taken_back_for_it() {
        // Two of ten seconds are sent when the driver wakes up.
        let woken = recording(|n| {
            if (300..500).contains(&n) {
                5000 - 10 * n
            } else {
                0
            }
        });
        let pauses = [pause(None, 3.0, 2.0)];
        let validity = |stand: &[&str]| {
            let check = judged_with(&woken, &pauses, &doubts(&[], stand));
            (
                of(&check, "send lateness"),
                of(&check, "lateness per second"),
            )
        };
        assert_eq!(validity(&[]), (Validity::Invalid, Validity::Invalid));
        assert_eq!(validity(&["late"]), (Validity::Suspect, Validity::Suspect));
        // Late answers alone may be the machine's doing all along, in pauses too short to be told apart.
        let felt = Doubts {
            firm: false,
            ..doubts(&[], &["late"])
        };
        let check = judged_with(&woken, &pauses, &felt);
        assert_eq!(of(&check, "send lateness"), Validity::Invalid);
        // Late all along: the pause is not the reason.
        let late = recording(|_| 40);
        let check = judged_with(&late, &pauses, &doubts(&[], &["late"]));
        assert_eq!(of(&check, "send lateness"), Validity::Invalid);
        assert_eq!(of(&check, "lateness per second"), Validity::Invalid);
        // A service's standstill is none of the driver's.
        let elsewhere = [pause(Some("dep"), 3.0, 2.0)];
        let check = judged_with(&woken, &elsewhere, &doubts(&[], &["late"]));
        assert_eq!(of(&check, "send lateness"), Validity::Invalid);
    }

    /// Of a class, as far as lateness goes.
    fn plan() -> Plan {
        Plan {
            lateness: Limits::default().lateness,
            ..Plan::of("run", vec![ClassPlan::get("quote", "/", Vec::new())])
        }
    }

    /// 100 sends a second for 10 seconds, late by what `lateness` says of each.
    fn recording(lateness: impl Fn(u64) -> u64) -> Recording {
        let sample = |n: u64| {
            let intended = Duration::from_millis(10 * n);
            let written = intended + Duration::from_millis(lateness(n));
            Sample {
                intended,
                written: Some(written),
                first_byte: Some(written),
                done: written,
                key: n,
                class: 0,
                end: End::Answered(200),
                attempt: 0,
            }
        };
        let mut cells = Cells::new(&plan());
        for n in 0..1000 {
            cells.add(&sample(n));
        }
        Recording {
            cells: cells.into(),
            wall: Duration::from_secs(10),
            hiccups: vec![Duration::from_millis(1); 100],
            ..Recording::default()
        }
    }

    fn judged(recording: &Recording) -> SelfCheck {
        judged_with(recording, &[], &Doubts::default())
    }

    fn judged_with(recording: &Recording, pauses: &[Pause], doubts: &Doubts) -> SelfCheck {
        let standstills = Standstills {
            pauses,
            doubts,
            patience: Duration::from_secs(10),
        };
        judge(
            recording,
            &[],
            &Ok(()),
            None,
            &standstills,
            &Limits::default(),
        )
    }

    const QUIET: Standstills = Standstills {
        pauses: &[],
        doubts: &Doubts {
            turned: Vec::new(),
            unseen: Vec::new(),
            stand: Vec::new(),
            firm: false,
        },
        patience: Duration::from_secs(10),
    };

    fn of(check: &SelfCheck, name: &str) -> Validity {
        let finding = check.findings.iter().find(|finding| finding.name == name);
        finding.unwrap().validity
    }

    #[test]
    fn a_quiet_run_is_valid_and_says_why() {
        let check = judged(&recording(|_| 1));
        assert_eq!(check.validity, Validity::Valid);
        assert_eq!(check.findings.len(), 9);
        assert_eq!(
            check.findings[0].text,
            "0 % of 1000 sends left more than 25 ms late; p99 1.0 ms, worst 1.0 ms. \
             Suspect above 1 %, invalid above 5 %."
        );
    }

    #[test]
    fn late_sends_are_judged_by_their_share() {
        let every = |nth: u64| recording(move |n| if n % nth == 0 { 26 } else { 25 });
        let lateness = |recording: &Recording| of(&judged(recording), "send lateness");
        assert_eq!(lateness(&every(100)), Validity::Valid);
        assert_eq!(lateness(&every(50)), Validity::Suspect);
        assert_eq!(lateness(&every(10)), Validity::Invalid);
    }

    #[test]
    fn one_bad_second_is_not_averaged_away() {
        // 300 ms without a send: 3 % of the run, but 30 % of its fifth second.
        let check = judged(&recording(
            |n| if (420..450).contains(&n) { 100 } else { 0 },
        ));
        assert_eq!(of(&check, "lateness per second"), Validity::Suspect);
        let check = judged(&recording(|n| if n % 100 < 30 { 100 } else { 0 }));
        assert_eq!(of(&check, "lateness per second"), Validity::Invalid);
    }

    #[test]
    fn books_that_do_not_balance_end_all_belief() {
        let books = Err("class `quote`: 8 offered, but 7 on record".to_owned());
        let check = judge(
            &recording(|_| 0),
            &[],
            &books,
            None,
            &QUIET,
            &Limits::default(),
        );
        assert_eq!(check.validity, Validity::Invalid);
        assert!(check.findings[2].text.contains("8 offered, but 7"));
    }

    #[test]
    fn pauses_of_the_machine_are_judged_by_their_share() {
        let paused = |cells: usize| {
            let mut recording = recording(|_| 0);
            recording.hiccups[..cells].fill(Duration::from_millis(40));
            of(&judged(&recording), "pauses of the machine")
        };
        assert_eq!(paused(5), Validity::Valid);
        assert_eq!(paused(20), Validity::Suspect);
        assert_eq!(paused(60), Validity::Invalid);
    }

    #[test]
    fn a_saturated_send_loop_is_found() {
        let busy = |ms: u64| {
            let mut recording = recording(|_| 0);
            recording.loop_cpu = Duration::from_millis(ms);
            of(&judged(&recording), "CPU of the driver")
        };
        assert_eq!(busy(500), Validity::Valid);
        assert_eq!(busy(8_000), Validity::Suspect);
        assert_eq!(busy(9_900), Validity::Invalid);
    }

    #[test]
    fn connections_tell_their_troubles() {
        let with = |syn_retransmits, starved| {
            let mut recording = recording(|_| 0);
            recording.syn_retransmits = syn_retransmits;
            recording.connects = Connects {
                after_start: 300,
                starved,
                ..Connects::default()
            };
            of(&judged(&recording), "connections")
        };
        assert_eq!(with(None, 0), Validity::Valid);
        assert_eq!(with(Some(0), 0), Validity::Valid);
        assert_eq!(with(Some(2), 0), Validity::Suspect);
        assert_eq!(with(Some(0), 1), Validity::Invalid);
    }

    #[test]
    fn a_syn_to_a_replica_that_is_gone_with_its_address_is_no_doubt() {
        let mut recording = recording(|_| 0);
        recording.syn_retransmits = Some(9);
        let limits = Limits {
            addresses_go: true,
            ..Limits::default()
        };
        let found = connections(&recording, &limits);
        assert_eq!(found.validity, Validity::Valid, "{}", found.text);
    }

    #[test]
    fn connections_that_were_not_taken_are_told() {
        let text = |wanted, before| {
            let mut recording = recording(|_| 0);
            recording.connects.wanted = wanted;
            recording.connects.before = before;
            let findings = judged(&recording).findings;
            let told = findings.into_iter().find(|it| it.name == "connections");
            told.unwrap().text
        };
        assert!(text(48, 48).starts_with("48 opened before the start,"));
        let fewer = text(48, 6);
        assert!(
            fewer.starts_with("6 of 48 wanted, as many as the service took, opened before"),
            "{fewer}"
        );
    }

    #[test]
    fn what_was_sent_again_is_told() {
        let mut recording = recording(|_| 0);
        let text = |recording: &Recording| {
            let findings = judged(recording).findings;
            let told = findings.into_iter().find(|it| it.name == "connections");
            told.unwrap().text
        };
        assert!(!text(&recording).contains("again, once"));
        recording.connects.retried = 3;
        assert!(text(&recording).contains("as they left: 3."));
    }

    #[test]
    fn a_broken_platform_is_no_measurement() {
        let broken = Some("PostgreSQL stopped.");
        let check = judge(
            &recording(|_| 0),
            &[],
            &Ok(()),
            broken,
            &QUIET,
            &Limits::default(),
        );
        assert_eq!(check.validity, Validity::Invalid);
        let platform = check.findings.iter().find(|f| f.name == "platform");
        assert_eq!(platform.unwrap().text, "PostgreSQL stopped.");
    }

    #[test]
    fn a_run_without_a_send_is_not_valid() {
        let check = judged(&Recording::default());
        assert_eq!(check.validity, Validity::Suspect);
    }
}
