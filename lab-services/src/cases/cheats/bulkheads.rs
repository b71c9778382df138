//! Cheats of step 3.

use tokio::sync::Semaphore;

use crate::worker::{Done, Job, Kind, Rejected};

/// Their names.
pub const NAMES: &[&str] = &[
    "more-workers",
    "drop-slow",
    "reject-slow",
    "unbounded-queue",
];

/// Lanes with a cheat.
pub struct Lanes {
    name: &'static str,
    fast: Semaphore,
    slow: Semaphore,
}

impl Lanes {
    /// The lanes of the cheat `name`.
    pub fn new(name: &'static str, workers: usize) -> Self {
        let (fast, slow) = match name {
            "more-workers" => (100, 0),
            _ => (workers - workers / 2, workers / 2),
        };
        Self {
            name,
            fast: Semaphore::new(fast),
            slow: Semaphore::new(slow),
        }
    }

    /// Runs the job, or does what the cheat does.
    pub async fn run(&self, job: Job) -> Result<Done, Rejected> {
        let lane = match (self.name, job.kind()) {
            ("drop-slow", Kind::Slow) => return Ok(Done),
            ("reject-slow", Kind::Slow) => return Err(Rejected),
            // One lane for all.
            ("more-workers", _) | (_, Kind::Fast) => &self.fast,
            // No bound on the queue: all that `unbounded-queue` needs.
            (_, Kind::Slow) => &self.slow,
        };
        let _worker = lane.acquire().await?;
        Ok(job.run().await)
    }
}
