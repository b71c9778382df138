//! Step 3: fast jobs of 10 ms and slow jobs of a second share eight workers.

use tokio::sync::Semaphore;

use crate::job::{Done, Job, Kind, Rejected};

/// Slow jobs that may wait. With four workers of a second each, the last of them waits two seconds.
const SLOW_QUEUE: usize = 8;

/// Workers of their own for fast and slow, and a bounded queue for slow.
pub struct Lanes {
    fast: Semaphore,
    slow: Semaphore,
    slow_places: Semaphore,
}

impl Lanes {
    /// Gives half of the workers to each lane.
    pub fn new(workers: usize) -> Self {
        let slow = workers / 2;
        Self {
            fast: Semaphore::new(workers - slow),
            slow: Semaphore::new(slow),
            slow_places: Semaphore::new(slow + SLOW_QUEUE),
        }
    }

    /// Runs the job in its lane. A slow job for which there is no place left is rejected at once.
    pub async fn run(&self, job: Job) -> Result<Done, Rejected> {
        let (_place, lane) = match job.kind() {
            Kind::Fast => (None, &self.fast),
            Kind::Slow => (Some(self.slow_places.try_acquire()?), &self.slow),
        };
        let _worker = lane.acquire().await?;
        Ok(job.run().await)
    }
}
