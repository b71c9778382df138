//! Step 5: a payment is charged at a provider, and a try that fails is tried again.

use crate::dep::Receipt;
use crate::failure::Failure;
use crate::provider::Provider;

// LAB: STEP5 TODO
// The provider can do 100 calls a second and has 50. A try without an answer after 500 ms is made
// again: how many calls a second is that, when it is slow? What ends it once the provider is well?
// Now and then it refuses all calls for 100 ms. What are three more tries at once good for then?
// `sleep` waits, `fastrand::f64()` is between 0 and 1. What payments share stands in `self`.

/// How often a payment is tried again, at most.
const RETRIES: u32 = 3;

/// Pays, and what all payments share for it.
pub struct Payments {}

impl Payments {
    /// Before the first payment.
    pub fn start() -> Self {
        Self {}
    }

    /// Charges the payment `key`, or says why not. The provider knows a payment by its key.
    pub async fn pay(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        let mut retries = 0;
        loop {
            match provider.charge(key).await {
                Err(_) if retries < RETRIES => retries += 1,
                ended => return ended,
            }
        }
    }
}
