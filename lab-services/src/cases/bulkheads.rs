//! Step 3: fast jobs of 10 ms and slow jobs of a second share eight workers.

use tokio::sync::Semaphore;

use crate::job::{Done, Job, Rejected};

// LAB: STEP3 TODO
// 60 fast jobs a second keep less than one worker busy, 12 slow ones twelve. All wait in one line.
// Who fills it, what does a fast job wait for, and how long is the line after a minute?
// `job.kind()` tells the two apart, and `?` turns an error of a semaphore into `Rejected`.

/// Who may use how many workers.
pub struct Lanes {
    workers: Semaphore,
}

impl Lanes {
    /// Divides the workers up.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: Semaphore::new(workers),
        }
    }

    /// Runs the job once a worker is free for it, or rejects it.
    pub async fn run(&self, job: Job) -> Result<Done, Rejected> {
        let _worker = self.workers.acquire().await?;
        Ok(job.run().await)
    }
}
