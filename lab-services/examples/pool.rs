//! A pool of 3 connections and 40 payments a second: the provider is called with a connection in
//! hand, then without one.
#![allow(
    clippy::disallowed_macros,
    reason = "a program of a page, which is read as it runs"
)]

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant, time::sleep, time::timeout};

const PROVIDER: Duration = Duration::from_millis(200);
const STATEMENTS: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_millis(300);

// ANCHOR: show
/// Pays, and says how long it waited for a connection; nothing where none came free in time.
async fn pay(pool: &Semaphore, call_in_hand: bool) -> Option<Duration> {
    if !call_in_hand {
        sleep(PROVIDER).await;
    }
    let asked = Instant::now();
    let _connection = timeout(PATIENCE, pool.acquire()).await.ok()?;
    let waited = asked.elapsed();
    if call_in_hand {
        sleep(PROVIDER).await; // idle in transaction
    }
    sleep(STATEMENTS).await;
    Some(waited)
}
// ANCHOR_END: show

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for (call_in_hand, place) in [(true, "inside"), (false, "before")] {
        println!("the provider is called {place} the transaction:");
        let (pool, mut payments) = (Arc::new(Semaphore::new(3)), JoinSet::new());
        for number in 1..=12 {
            let pool = Arc::clone(&pool);
            payments.spawn(async move {
                let waited = pay(&pool, call_in_hand).await;
                match waited.map(|time| time.as_millis()) {
                    Some(ms) => println!("  payment {number:2} waited {ms:3} ms for a connection"),
                    None => println!("  payment {number:2} FAILED, no connection in 300 ms"),
                }
                waited
            });
            sleep(Duration::from_millis(25)).await;
        }
        let paid = payments.join_all().await.into_iter().flatten().count();
        println!("  {paid} of 12 paid");
    }
}
