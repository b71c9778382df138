//! Four workers, eight slow jobs at once and a fast one every 60 ms: all in one line, then with a
//! bulkhead between the two kinds.
#![allow(
    clippy::disallowed_macros,
    reason = "a program of a page, which is read as it runs"
)]

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant, time::sleep};

const SLOW: Duration = Duration::from_millis(250);
const FAST: Duration = Duration::from_millis(5);

// ANCHOR: show
/// Works once one of the workers is free, and says how long it waited for it.
async fn work(workers: Arc<Semaphore>, takes: Duration) -> Duration {
    let submitted = Instant::now();
    let _worker = workers.acquire().await;
    let waited = submitted.elapsed();
    sleep(takes).await;
    waited
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("one line for all 4 workers:");
    let all = Arc::new(Semaphore::new(4));
    rush(Arc::clone(&all), all).await;

    println!("a bulkhead, 2 workers for each kind:");
    rush(Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(2))).await;
}
// ANCHOR_END: show

async fn rush(fast: Arc<Semaphore>, slow: Arc<Semaphore>) {
    let begun = Instant::now();
    let mut slow_jobs: JoinSet<_> = (0..8).map(|_| work(Arc::clone(&slow), SLOW)).collect();
    let mut fast_jobs = JoinSet::new();
    for number in 1..=6 {
        sleep(Duration::from_millis(60)).await;
        let job = work(Arc::clone(&fast), FAST);
        fast_jobs.spawn(async move {
            let waited = job.await.as_millis();
            println!("  fast job {number} waited {waited:3} ms for a worker");
        });
    }
    while fast_jobs.join_next().await.is_some() {}
    while slow_jobs.join_next().await.is_some() {}
    let took = begun.elapsed().as_millis();
    println!("  8 slow jobs were done after {took} ms");
}
