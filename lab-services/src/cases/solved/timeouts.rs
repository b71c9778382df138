//! Step 1: a quote needs a receipt from `dep`, which answers in 8 to 32 ms, as a rule.

use std::time::Duration;

use tokio::time::timeout_at;

use crate::dep::Dep;
use crate::failure::Failure;
use crate::quote::{Ask, Quote};

/// Six times what the slowest good call takes, so that a busy machine kills none of them.
/// Calls that hang, 6 a second, then keep 6/s × 0.2 s = 1.2 slots (Little's law).
const BUDGET: Duration = Duration::from_millis(200);

/// Answers with a quote for `ask.key`, or says in time that there is none.
pub async fn quote(dep: &Dep, ask: &Ask) -> Result<Quote, Failure> {
    let deadline = ask.deadline.at_most(BUDGET);
    // It bounds the whole call, body included, and `dep` is told what is left of it.
    let call = dep.receipt_by(&ask.key, deadline);
    let receipt = timeout_at(deadline.instant(), call).await??;
    Ok(Quote { receipt })
}
