//! The run over time, in windows of equal width.

use std::time::Duration;

use lab_record::Latency;

use super::Distribution;
use crate::{Cell, Cells};

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

/// The windows of the class with this index in the plan, from the start of the run until all has ended. The last one
/// reaches beyond the end. Each is a number of whole cells: `width` is a multiple of 100 ms.
pub fn windows(cells: &Cells, class: usize, width: Duration) -> Vec<Window> {
    let index = |at: Duration| (at.as_nanos() / width.as_nanos().max(1)) as usize;
    let cells: Vec<(usize, &Cell)> = cells
        .of(class)
        .map(|(of, cell)| (index(of.start), cell))
        .collect();
    let mut ended = cells.iter().filter(|(_, cell)| cell.ended.all > 0);
    let Some((last, _)) = ended.next_back() else {
        return Vec::new();
    };
    let mut windows = vec![Window::default(); last + 1];
    for (n, window) in (0u32..).zip(&mut windows) {
        window.start = width * n;
    }
    for same in cells.chunk_by(|(a, _), (b, _)| a == b) {
        let window = &mut windows[same[0].0];
        let cells = same.iter().map(|(_, cell)| *cell);
        for cell in cells.clone() {
            window.offered += cell.due.offered;
            window.sent += cell.written;
            window.ok += cell.ended.ok;
            window.expected += cell.ended.expected;
            window.failed += cell.ended.failed;
        }
        window.latency = cells.collect::<Distribution>().quantiles();
    }
    windows
}
