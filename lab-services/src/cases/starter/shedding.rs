//! Step 7: critical and sheddable work, 200 ms each, for eight workers. A client gives up after one second.

use tokio::sync::Semaphore;

use crate::job::{Done, Rejected};
use crate::work::Work;

// LAB: STEP7 TODO
// Eight workers do 40 a second. 60 come: 20 critical and 40 sheddable. All wait in one line, however long.
// How old is work when it starts, and is its client still there? Who should hear no, and when?
// `work.criticality()` and `work.age()` tell, and `?` turns an error of a semaphore, or of a timeout, into `Rejected`.

/// Who gets in, and how many wait.
pub struct Door {
    workers: Semaphore,
}

impl Door {
    /// The door in front of so many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: Semaphore::new(workers),
        }
    }

    /// Does the work once a worker is free for it, or rejects it.
    pub async fn run(&self, work: Work) -> Result<Done, Rejected> {
        let _worker = self.workers.acquire().await?;
        Ok(work.run().await)
    }
}
