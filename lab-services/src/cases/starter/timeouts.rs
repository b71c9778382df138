//! Step 1: a quote needs a receipt from `dep`, which answers in 8 to 32 ms, as a rule.

use crate::dep::Dep;
use crate::failure::Failure;
use crate::quote::{Ask, Quote};

// LAB: STEP1 TODO
// Each request holds one of the 16 admission slots of this service until it is answered.
// Follow a call to `dep` that takes 5 seconds: who pays for it, and who queues up behind?
// `ask.deadline` is when the caller stops listening.

/// Answers with a quote for `ask.key`.
pub async fn quote(dep: &Dep, ask: &Ask) -> Result<Quote, Failure> {
    let receipt = dep.receipt(&ask.key).await?;
    Ok(Quote { receipt })
}
