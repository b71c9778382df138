//! Forty clients are refused at the same moment, and each tries again up to three times: with pauses that double, all
//! alike, then with full jitter.
#![allow(
    clippy::disallowed_macros,
    reason = "a program of a page, which is read as it runs"
)]

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet, time::Instant, time::sleep};

const CLIENTS: usize = 40;
const WORK: Duration = Duration::from_millis(20);

// ANCHOR: show
/// Tries again, up to three times; after how many ms it had an answer, if it had one.
async fn client(server: Arc<Semaphore>, full_jitter: bool) -> Option<u128> {
    let refused = Instant::now();
    let mut pause = Duration::from_millis(100);
    for _ in 0..3 {
        let part = if full_jitter { fastrand::f64() } else { 1.0 };
        sleep(pause.mul_f64(part)).await;
        // It works on 4 calls at once, and refuses the others.
        if let Ok(_place) = server.try_acquire() {
            sleep(WORK).await;
            return Some(refused.elapsed().as_millis());
        }
        pause *= 2;
    }
    None
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("pauses of 100, 200 and 400 ms:");
    refuse_all(false).await;

    println!("from 0 up to that, by chance:");
    refuse_all(true).await;
}
// ANCHOR_END: show

async fn refuse_all(full_jitter: bool) {
    let server = Arc::new(Semaphore::new(4));
    let clients = (0..CLIENTS).map(|_| client(Arc::clone(&server), full_jitter));
    let ended = clients.collect::<JoinSet<_>>().join_all().await;
    let mut answered: Vec<u128> = ended.into_iter().flatten().collect();
    answered.sort_unstable();
    for tenth in 0..8 {
        let within = tenth * 100..tenth * 100 + 100;
        let in_it = answered.iter().filter(|at| within.contains(*at));
        let dots = "●".repeat(in_it.count());
        println!("  {:3} to {:3} ms  {dots}", within.start, within.end);
    }
    println!("  answered {} of {CLIENTS} clients", answered.len());
}
