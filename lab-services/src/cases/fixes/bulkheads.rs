//! Fixes of step 3.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::job::{Done, Job, Kind, Rejected};

/// Their names.
pub const NAMES: &[&str] = &["one-fast", "two-fast", "no-queue", "wait-2s"];

/// Lanes with other walls and other queues than the reference.
pub struct Lanes {
    name: &'static str,
    fast: Semaphore,
    slow: Semaphore,
    slow_places: Semaphore,
}

impl Lanes {
    /// The lanes of the fix `name`.
    pub fn new(name: &'static str, workers: usize) -> Self {
        let fast = match name {
            "one-fast" => 1,
            "two-fast" => 2,
            _ => workers / 2,
        };
        let slow = workers - fast;
        Self {
            name,
            fast: Semaphore::new(fast),
            slow: Semaphore::new(slow),
            // The last in line waits two seconds.
            slow_places: Semaphore::new(slow + 2 * slow),
        }
    }

    /// Runs the job in its lane, or rejects it.
    pub async fn run(&self, job: Job) -> Result<Done, Rejected> {
        let (_place, _worker) = match (self.name, job.kind()) {
            // Nobody waits, fast ones neither.
            ("no-queue", Kind::Fast) => (None, self.fast.try_acquire()?),
            ("no-queue", Kind::Slow) => (None, self.slow.try_acquire()?),
            (_, Kind::Fast) => (None, self.fast.acquire().await?),
            // As many may wait as come in two seconds, and none of them longer.
            ("wait-2s", Kind::Slow) => {
                let wait = Duration::from_secs(2);
                (None, timeout(wait, self.slow.acquire()).await??)
            }
            (_, Kind::Slow) => {
                let place = self.slow_places.try_acquire()?;
                (Some(place), self.slow.acquire().await?)
            }
        };
        Ok(job.run().await)
    }
}
