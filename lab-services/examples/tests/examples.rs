//! The small programs of the guide: each shows what its page says it shows.

use std::process::Command;

/// What a program prints.
fn output(program: &str) -> String {
    let run = Command::new(program).output().unwrap();
    assert!(run.status.success(), "{program}: {}", run.status);
    String::from_utf8(run.stdout).unwrap()
}

/// The two halves of an output: without the pattern and with it, from the line that begins so.
fn halves<'a>(output: &'a str, second: &str) -> (&'a str, &'a str) {
    let (first, rest) = output
        .split_once(second)
        .unwrap_or_else(|| panic!("no `{second}` in:\n{output}"));
    (first, rest)
}

/// The number before the first `ms` that comes after `word`, for each line that has the word.
fn times(text: &str, word: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| {
            let (_, after) = line.split_once(word)?;
            after.split_whitespace().next()?.parse().ok()
        })
        .collect()
}

#[test]
fn a_deadline_shrinks_from_call_to_call_and_a_timeout_does_not() {
    let output = output(env!("CARGO_BIN_EXE_deadline"));
    let (anew, passed_on) = halves(&output, "one deadline");
    assert!(
        times(anew, "may take").iter().all(|left| *left > 250),
        "{output}"
    );
    assert!(anew.contains("an answer, to a user who left"), "{output}");
    let left = times(passed_on, "may take");
    assert!(left.is_sorted_by(|a, b| a > b), "{output}");
    assert!(*left.last().unwrap() < 200, "{output}");
    assert!(
        passed_on.contains("no answer, and the user hears"),
        "{output}"
    );
}

#[test]
fn a_pool_runs_dry_only_where_its_holders_wait() {
    let output = output(env!("CARGO_BIN_EXE_pool"));
    let (inside, before) = halves(&output, "the provider is called before");
    assert!(inside.contains("FAILED"), "{output}");
    assert!(
        times(inside, "waited").iter().any(|ms| *ms > 80),
        "{output}"
    );
    assert!(before.contains("12 of 12 paid"), "{output}");
}

#[test]
fn a_bulkhead_keeps_fast_jobs_from_waiting_for_slow_ones() {
    let output = output(env!("CARGO_BIN_EXE_bulkhead"));
    let (one_line, bulkhead) = halves(&output, "a bulkhead");
    let longest = |text| times(text, "waited").into_iter().max().unwrap();
    assert!(longest(one_line) > 250, "{output}");
    assert!(longest(bulkhead) < 150, "{output}");
    assert!(
        times(bulkhead, "after") > times(one_line, "after"),
        "{output}"
    );
}

#[test]
fn throttling_stops_some_requests_and_not_others() {
    let output = output(env!("CARGO_BIN_EXE_throttle"));
    let took = times(&output, "took");
    assert_eq!(took.len(), 7, "{output}");
    assert!(took.iter().any(|ms| *ms >= 60), "{output}");
    assert!(took.iter().any(|ms| *ms < 60), "{output}");
}

#[test]
fn full_jitter_spreads_what_comes_back_together() {
    let output = output(env!("CARGO_BIN_EXE_jitter"));
    let (alike, jitter) = halves(&output, "from 0 up");
    let answered = |text| times(text, "answered")[0];
    // Four each time, three times; of the others some more where the machine spreads them.
    assert!(answered(alike) < 20, "{output}");
    assert!(answered(jitter) > 28, "{output}");
}

#[test]
fn who_leaves_serves_on_until_callers_have_heard_of_it() {
    let output = output(env!("CARGO_BIN_EXE_leave"));
    let broken = |name: &str| {
        let broken = times(&output, &format!("{name}:"));
        *broken.first().unwrap_or_else(|| panic!("{output}"))
    };
    // A call every 20 ms for 200 ms; how many of them are in time is for the machine to say.
    assert!(broken("gone at once") >= 5, "{output}");
    assert!(broken("a drain alone") >= 4, "{output}");
    assert_eq!(broken("a pause, then a drain"), 0, "{output}");
}
