//! Step 5: a payment is charged at a provider, and a try that fails is tried again.

use crate::dep::Receipt;
use crate::failure::Failure;
use crate::provider::Provider;

// LAB: STEP5 TODO
// The provider can do 100 calls a second, and has 50. Where it is slow for a while, a try is given up after 500 ms and
// made again. How many calls a second is that at most, and what ends it once the provider is well?
// And where it refuses every call for a tenth of a second, what are three more tries at once good for?
// `sleep` waits, `fastrand::f64()` is a number from 0 to 1. `pay` runs for many at once: what they share stands in `self`.

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
