//! Step 6: what a replica does between SIGTERM and its end.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::replica::Replica;

/// The list of endpoints is up to two seconds behind; one more for the slowest of those who read it.
const STILL_LISTED: Duration = Duration::from_secs(3);

/// No page takes longer. What hangs longer must not keep the rest from its end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Leaves: 3 s, 1 s and what is left of an order's 2 s are well within a grace period of 8 s.
pub async fn leave(replica: &Replica) {
    // Whoever asks is told first. Who still comes is served as ever.
    replica.not_ready();
    sleep(STILL_LISTED).await;
    // Nobody comes any more: the last ones get their answers, and what was promised is done.
    let _ = timeout(LAST_ANSWERS, replica.drain()).await;
    replica.work_done().await;
}
