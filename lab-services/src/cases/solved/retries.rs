//! Step 5: a payment is charged at a provider, and a try that fails is tried again.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::sleep;

use crate::dep::Receipt;
use crate::failure::Failure;
use crate::provider::Provider;

/// Pays, and what all payments share for it: a budget, the retries that they have in hand.
pub struct Payments(Mutex<f64>);

impl Payments {
    /// Before the first payment.
    pub fn start() -> Self {
        Self(Mutex::new(10.0))
    }

    /// Charges the payment `key`, or says why not. The provider knows a payment by its key.
    pub async fn pay(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        // Who is refused for a tenth of a second waits for longer than that, in three times.
        for pause in [100, 200, 400].map(Duration::from_millis) {
            let ended = provider.charge(key).await;
            if !self.tries_again(ended.is_ok()) {
                return ended;
            }
            // Full jitter: whoever failed together does not come back together.
            sleep(pause.mul_f64(fastrand::f64())).await;
        }
        provider.charge(key).await
    }

    /// A success earns a tenth of a retry, up to ten in hand; a failure may be tried again for one of them.
    fn tries_again(&self, success: bool) -> bool {
        let mut budget = self.0.lock().unwrap();
        if success {
            *budget = (*budget + 0.1).min(10.0);
        }
        let may = !success && *budget >= 1.0;
        *budget -= f64::from(may);
        may
    }
}
