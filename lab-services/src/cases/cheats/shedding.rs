//! Cheats of step 7.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::cpu;
use crate::job::{Done, Rejected};
use crate::work::{Criticality, Work};

/// Their names.
pub const NAMES: &[&str] = &[
    "more-workers",
    "refuse-sheddable",
    "refuse-everything",
    "drop-accepted",
    "answer-unrun",
    "early-start",
    "long-queue",
    "all-alike",
    "critical-first",
    "late-refusal",
    "costly-refusal",
];

/// A door with a cheat.
pub struct Door {
    name: &'static str,
    workers: Semaphore,
    /// Places of sheddable work, at work and in line.
    sheddable: Semaphore,
    /// Places of all work.
    places: Semaphore,
    closed_until: Mutex<Instant>,
}

impl Door {
    /// The door of the cheat `name`.
    pub fn new(name: &'static str, workers: usize) -> Self {
        Self {
            name,
            workers: Semaphore::new(match name {
                "more-workers" => 100,
                _ => workers,
            }),
            sheddable: Semaphore::new(workers),
            places: Semaphore::new(match name {
                "long-queue" => 100,
                _ => 2 * workers,
            }),
            closed_until: Mutex::new(Instant::now()),
        }
    }

    /// Does the work, or what the cheat does.
    pub async fn run(&self, work: Work) -> Result<Done, Rejected> {
        let critical = work.criticality() == Criticality::Critical;
        match self.name {
            "more-workers" => self.once_free(work).await,
            "refuse-sheddable" if !critical => Err(Rejected),
            // Whoever comes in the second after there was a line.
            "refuse-everything" => {
                self.closed()?;
                self.once_free(work).await
            }
            // Bounded by length, and long.
            "long-queue" | "all-alike" => {
                let _place = self.places.try_acquire()?;
                self.once_free(work).await
            }
            // Lets it start, so that it is young, and waits afterwards.
            "early-start" => {
                let _place = self.place(critical)?;
                let mut run = std::pin::pin!(work.run());
                let started = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(run.as_mut().poll(context))
                });
                drop(started.await);
                let _worker = self.workers.acquire().await?;
                Ok(run.await)
            }
            // Sheddable work takes the place in line of no critical one, and waits for as long as it takes.
            "critical-first" if !critical => {
                let _place = self.sheddable.acquire().await?;
                self.once_free(work).await
            }
            _ => self.as_in_the_reference(work, critical).await,
        }
    }

    async fn as_in_the_reference(&self, work: Work, critical: bool) -> Result<Done, Rejected> {
        let _place = match (self.place(critical), self.name) {
            // A client that waited nearly as long as it could.
            (Err(Rejected), "late-refusal") => {
                sleep(Duration::from_millis(950)).await;
                return Err(Rejected);
            }
            (Err(Rejected), "costly-refusal") => {
                cpu::burn(Duration::from_millis(5));
                return Err(Rejected);
            }
            // Taken, and forgotten.
            (Err(Rejected), "drop-accepted") => {
                drop(work);
                return std::future::pending().await;
            }
            (Err(Rejected), "answer-unrun") => return Ok(Done),
            (place, _) => place?,
        };
        self.once_free(work).await
    }

    async fn once_free(&self, work: Work) -> Result<Done, Rejected> {
        let _worker = self.workers.acquire().await?;
        Ok(work.run().await)
    }

    fn place(&self, critical: bool) -> Result<Option<SemaphorePermit<'_>>, Rejected> {
        Ok(if critical {
            None
        } else {
            Some(self.sheddable.try_acquire()?)
        })
    }

    fn closed(&self) -> Result<(), Rejected> {
        let mut until = self
            .closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.workers.available_permits() == 0 {
            *until = Instant::now() + Duration::from_secs(1);
        }
        if Instant::now() < *until {
            Err(Rejected)
        } else {
            Ok(())
        }
    }
}
