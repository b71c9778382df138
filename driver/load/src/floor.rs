//! How late an idle machine wakes a sender: what no load engine can be better than.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use super::pacer::Pacer;

/// Between two wake-ups.
const STEP: Duration = Duration::from_millis(1);

/// Lateness of wake-ups while nothing is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Median.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
}

/// Measures it for `length`, with the timer that paces the sends, on a thread of its own.
pub async fn floor(length: Duration) -> io::Result<Floor> {
    let (done, measured) = tokio::sync::oneshot::channel();
    thread::Builder::new().name("floor".into()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(measure(length));
    })?;
    measured
        .await
        .map_err(|_| io::Error::other("the probe's thread is gone"))?
}

fn measure(length: Duration) -> io::Result<Floor> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut lateness = runtime.block_on(async {
        let mut pacer = Pacer::new()?;
        let (start, mut due, mut lateness) = (Instant::now(), STEP, Vec::new());
        while due < length {
            let woken = pacer.until(start + due).await?.duration_since(start);
            lateness.push(woken.saturating_sub(due));
            // Those missed in between were one pause.
            due = woken.max(due) + STEP;
        }
        Ok::<_, io::Error>(lateness)
    })?;
    lateness.sort_unstable();
    let at = |percent: usize| {
        let rank = (lateness.len() * percent).div_ceil(100);
        lateness.get(rank.saturating_sub(1)).copied()
    };
    Ok(Floor {
        p50: at(50).unwrap_or_default(),
        p99: at(99).unwrap_or_default(),
        max: at(100).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_floor_has_its_order() {
        let floor = floor(Duration::from_millis(60)).await.unwrap();
        assert!(floor.p50 <= floor.p99 && floor.p99 <= floor.max);
        assert!(floor.max > Duration::ZERO);
    }
}
