//! Fixes of step 7.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::job::{Done, Rejected};
use crate::work::{Criticality, Work};

/// Their names.
pub const NAMES: &[&str] = &["wait-300ms", "codel", "aimd"];

/// `aimd` makes its limit smaller where work was older than this at its start.
const TARGET: Duration = Duration::from_millis(250);

/// Other ways to keep the line short.
pub struct Door {
    name: &'static str,
    workers: Semaphore,
    /// Places of sheddable work, at work and in line.
    sheddable: Semaphore,
    /// When a place was last free for whoever came.
    idle: Mutex<Instant>,
    aimd: Mutex<Aimd>,
}

/// A concurrency limit for sheddable work: additive increase, multiplicative decrease.
struct Aimd {
    limit: f64,
    inside: f64,
}

impl Door {
    /// The door of the fix `name`.
    pub fn new(name: &'static str, workers: usize) -> Self {
        Self {
            name,
            workers: Semaphore::new(workers),
            sheddable: Semaphore::new(workers),
            idle: Mutex::new(Instant::now()),
            aimd: Mutex::new(Aimd {
                limit: workers as f64,
                inside: 0.0,
            }),
        }
    }

    /// Does the work soon, or rejects it.
    pub async fn run(&self, work: Work) -> Result<Done, Rejected> {
        if self.name == "aimd" {
            return self.adaptive(work).await;
        }
        let _place = match work.criticality() {
            Criticality::Critical => None,
            Criticality::Sheddable => Some(self.place().await?),
        };
        let _worker = self.workers.acquire().await?;
        Ok(work.run().await)
    }

    /// Sheddable work waits for its place, in a line of its own that is bounded by time.
    async fn place(&self) -> Result<SemaphorePermit<'_>, Rejected> {
        let wait = if self.name == "codel" {
            self.controlled_delay()
        } else {
            Duration::from_millis(300)
        };
        Ok(timeout(wait, self.sheddable.acquire()).await??)
    }

    /// As "Fail at Scale" (Maurer 2015) has it of `CoDel`: a line that was empty a moment ago may take a burst, one that
    /// stands is kept short.
    fn controlled_delay(&self) -> Duration {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sheddable.available_permits() > 0 {
            *idle = Instant::now();
        }
        let stands = idle.elapsed() > Duration::from_millis(200);
        Duration::from_millis(if stands { 50 } else { 300 })
    }

    async fn adaptive(&self, work: Work) -> Result<Done, Rejected> {
        let _inside = match work.criticality() {
            Criticality::Critical => None,
            Criticality::Sheddable => Some(Inside::enter(&self.aimd)?),
        };
        let _worker = self.workers.acquire().await?;
        Aimd::of(&self.aimd).learn(work.age());
        Ok(work.run().await)
    }
}

impl Aimd {
    fn of(this: &Mutex<Self>) -> std::sync::MutexGuard<'_, Self> {
        this.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&mut self, age: Duration) {
        if age > TARGET {
            self.limit = (self.limit * 0.95).max(4.0);
        } else if self.inside >= self.limit / 2.0 {
            self.limit = (self.limit + 1.0 / self.limit).min(24.0);
        }
    }
}

/// Sheddable work that is inside.
struct Inside<'a>(&'a Mutex<Aimd>);

impl<'a> Inside<'a> {
    fn enter(aimd: &'a Mutex<Aimd>) -> Result<Self, Rejected> {
        let mut now = Aimd::of(aimd);
        if now.inside >= now.limit {
            return Err(Rejected);
        }
        now.inside += 1.0;
        Ok(Self(aimd))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        Aimd::of(self.0).inside -= 1.0;
    }
}
