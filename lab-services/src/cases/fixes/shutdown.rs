//! Fixes of step 6.

use std::time::Duration;

use tokio::time::sleep;

use crate::replica::Replica;

/// Their names.
pub const NAMES: &[&str] = &["pause", "prestop", "side-by-side"];

/// Leaves with the fix `name`.
pub async fn leave(name: &str, replica: &Replica) {
    match name {
        // The list has its time in `preStop` of the manifest, before the signal.
        "prestop" => {
            replica.drain().await;
            replica.work_done().await;
        }
        // A longer pause than is needed, without a word to those who ask, and no deadline.
        "pause" => {
            sleep(Duration::from_secs(4)).await;
            replica.drain().await;
            replica.work_done().await;
        }
        // The last answers and the work end together.
        _ => {
            replica.not_ready();
            sleep(Duration::from_millis(2500)).await;
            tokio::join!(replica.drain(), replica.work_done());
        }
    }
}
