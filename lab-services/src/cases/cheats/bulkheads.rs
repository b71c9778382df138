//! Cheats of step 3.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::job::{Done, Job, Kind, Rejected};

/// Their names.
pub const NAMES: &[&str] = &[
    "more-workers",
    "drop-slow",
    "reject-slow",
    "unbounded-queue",
    "unlimited-fast",
    "slow-at-first",
    "fast-first",
];

/// Slow jobs that `slow-at-first` does: nearly all that half of the workers could do in the whole run.
const AT_FIRST: usize = 45;

/// Lanes with a cheat.
pub struct Lanes {
    name: &'static str,
    fast: Semaphore,
    slow: Semaphore,
    slow_places: Semaphore,
    /// Slow jobs that may still come.
    slow_left: Semaphore,
    fast_waiting: AtomicUsize,
}

impl Lanes {
    /// The lanes of the cheat `name`.
    pub fn new(name: &'static str, workers: usize) -> Self {
        let half = workers / 2;
        let (fast, slow) = match name {
            "more-workers" => (100, 0),
            "slow-at-first" => (1, workers - 1),
            "fast-first" => (workers, 0),
            _ => (workers - half, half),
        };
        Self {
            name,
            fast: Semaphore::new(fast),
            slow: Semaphore::new(slow),
            slow_places: Semaphore::new(3 * half),
            slow_left: Semaphore::new(AT_FIRST),
            fast_waiting: AtomicUsize::new(0),
        }
    }

    /// Runs the job, or does what the cheat does.
    pub async fn run(&self, job: Job) -> Result<Done, Rejected> {
        let _place;
        let _worker = match (self.name, job.kind()) {
            ("drop-slow", Kind::Slow) => return Ok(Done),
            ("reject-slow", Kind::Slow) => return Err(Rejected),
            // A wall for the slow ones, and as many workers as they like for the fast.
            ("unlimited-fast", Kind::Fast) => return Ok(job.run().await),
            ("unlimited-fast", Kind::Slow) => {
                _place = self.slow_places.try_acquire()?;
                self.slow.acquire().await?
            }
            // The share of the whole run as soon as possible, and from then on none.
            ("slow-at-first", Kind::Slow) => {
                let worker = self.slow.try_acquire()?;
                self.slow_left.try_acquire()?.forget();
                worker
            }
            // Fast ones go to the front of the one line; all workers may still be at slow ones.
            ("fast-first", Kind::Fast) => {
                self.fast_waiting.fetch_add(1, Ordering::Relaxed);
                let worker = self.fast.acquire().await;
                self.fast_waiting.fetch_sub(1, Ordering::Relaxed);
                worker?
            }
            ("fast-first", Kind::Slow) => {
                _place = self.slow_places.try_acquire()?;
                self.after_the_fast().await?
            }
            // One lane for all.
            ("more-workers", _) | (_, Kind::Fast) => self.fast.acquire().await?,
            // No bound on the queue: all that `unbounded-queue` needs.
            (_, Kind::Slow) => self.slow.acquire().await?,
        };
        Ok(job.run().await)
    }

    /// A worker that no fast job waits for.
    async fn after_the_fast(&self) -> Result<SemaphorePermit<'_>, Rejected> {
        loop {
            let worker = self.fast.acquire().await?;
            if self.fast_waiting.load(Ordering::Relaxed) == 0 {
                return Ok(worker);
            }
            drop(worker);
            tokio::task::yield_now().await;
        }
    }
}
