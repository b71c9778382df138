//! The run over time, in windows of equal width.

use std::time::Duration;

use lab_record::Latency;

use super::{Distribution, Expectation, Fate, observed};
use crate::Sample;

/// What happened to one class within one window.
///
/// Each thing counts when it happened: a request is offered at its intended send, sent when it was
/// written, and ok or failed when it ended. Latency belongs to the intended send, so that a stall
/// shows at the moment at which users ran into it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Its first moment.
    pub start: Duration,
    /// Arrivals of the schedule.
    pub offered: u64,
    /// Requests written to a connection.
    pub sent: u64,
    /// Answers as wished.
    pub ok: u64,
    /// Refusals as is right.
    pub expected: u64,
    /// Requests that failed, timed out or were dropped.
    pub failed: u64,
    /// Latency of the requests offered in this window, right refusals apart.
    pub latency: Latency,
}

/// The windows of the class with this index, from the start of the run until all has ended. The
/// last one reaches beyond the end.
pub fn windows(
    class: u16,
    timeout: Duration,
    expectation: &Expectation,
    samples: &[Sample],
    width: Duration,
) -> Vec<Window> {
    let of_class = || samples.iter().filter(|sample| sample.class == class);
    let index = |at: Duration| (at.as_nanos() / width.as_nanos().max(1)) as usize;
    let Some(last) = of_class().map(|sample| index(sample.done)).max() else {
        return Vec::new();
    };

    let mut windows = vec![Window::default(); last + 1];
    let mut latencies = vec![Vec::new(); last + 1];
    for sample in of_class() {
        let fate = expectation.fate(sample.end);
        let offered = index(sample.intended);
        windows[offered].offered += 1;
        latencies[offered].extend(observed(sample.latency(), fate, timeout));
        if let Some(written) = sample.written {
            windows[index(written)].sent += 1;
        }
        let done = &mut windows[index(sample.done)];
        match fate {
            Fate::Ok => done.ok += 1,
            Fate::Expected => done.expected += 1,
            Fate::Failed | Fate::TimedOut | Fate::Dropped => done.failed += 1,
            Fate::Unfinished => {}
        }
    }

    for (n, (window, latency)) in (0u32..).zip(windows.iter_mut().zip(latencies)) {
        window.start = width * n;
        // One histogram at a time: each takes tens of kilobytes.
        window.latency = latency.into_iter().collect::<Distribution>().quantiles();
    }
    windows
}
