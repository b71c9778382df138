//! Cheats of step 6.

use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use crate::cases::solved;
use crate::replica::Replica;

/// Their names.
pub const NAMES: &[&str] = &[
    "never-ends",
    "ignores",
    "oversleeps",
    "refuses-early",
    "drops-work",
    "long-grace",
    "recreate",
    "all-at-once",
];

/// Leaves with the cheat `name`.
pub async fn leave(name: &str, replica: &Replica) {
    match name {
        // Does it all, and stays.
        "never-ends" | "long-grace" => {
            solved::shutdown::leave(replica).await;
            pending::<()>().await;
        }
        // Serves on as if nothing had been said.
        "ignores" => pending().await,
        // The rule of thumb is a pause; this one is longer than the grace period.
        "oversleeps" => {
            sleep(Duration::from_secs(10)).await;
            solved::shutdown::leave(replica).await;
        }
        // Closes its door at once, in good order: what a framework's own graceful shutdown does.
        "refuses-early" => {
            replica.not_ready();
            replica.drain().await;
            replica.work_done().await;
        }
        // The last answer is out. Who asks what became of the orders?
        "drops-work" => {
            replica.not_ready();
            sleep(Duration::from_secs(3)).await;
            replica.drain().await;
        }
        // `recreate` and `all-at-once` lie in the manifest.
        _ => solved::shutdown::leave(replica).await,
    }
}
