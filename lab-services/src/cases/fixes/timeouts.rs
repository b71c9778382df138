//! Fixes of step 1.

use std::time::Duration;

use tokio::time::timeout;

use crate::cases::starter;
use crate::dep::Dep;
use crate::failure::Failure;
use crate::quote::{Ask, Quote};

/// Their names.
pub const NAMES: &[&str] = &["timeout-800ms", "timeout-40ms"];

/// The starter under the timeout `name`.
pub async fn quote(name: &str, dep: &Dep, ask: &Ask) -> Result<Quote, Failure> {
    let budget = match name {
        // Just above the slowest good call.
        "timeout-40ms" => Duration::from_millis(40),
        // Hanging calls keep 6/s × 0.8 s = 4.8 slots of the 8 that may be kept.
        _ => Duration::from_millis(800),
    };
    timeout(budget, starter::timeouts::quote(dep, ask)).await?
}
