//! Step 7: critical and sheddable work, 200 ms each, for eight workers. A client gives up after one second.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::job::{Done, Rejected};
use crate::work::{Criticality, Work};

/// Longest wait in line: with 200 ms of work an answer leaves 300 ms before its client gives up.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// A line that is bounded in time, in which sheddable work has few places.
pub struct Door {
    workers: Semaphore,
    sheddable: Semaphore,
}

impl Door {
    /// Sheddable work may have as many places, at work and in line, as there are workers. With 20 of the 40 a second left
    /// to it, 8 places are 8 ÷ 20 = 400 ms from arrival to answer.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: Semaphore::new(workers),
            sheddable: Semaphore::new(workers),
        }
    }

    /// Does the work soon, or rejects it: sheddable work at once, where it has no place left.
    pub async fn run(&self, work: Work) -> Result<Done, Rejected> {
        let _place = match work.criticality() {
            Criticality::Critical => None,
            Criticality::Sheddable => Some(self.sheddable.try_acquire()?),
        };
        let _worker = timeout(LONGEST_WAIT, self.workers.acquire()).await??;
        Ok(work.run().await)
    }
}
