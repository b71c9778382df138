//! Step 5: a payment is charged at a provider, and a try that fails is tried again.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::sleep;

use crate::dep::Receipt;
use crate::failure::Failure;
use crate::provider::Provider;

/// How often a payment is tried again, at most.
const RETRIES: u32 = 3;

/// How long it waits before the first retry, at most, and twice as long before each further one: a refusal that lasts for
/// a tenth of a second is over then.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What a success adds to the budget: one retry for ten of them. Retries are a tenth of the load then, whatever happens.
const EARNED: f64 = 0.1;

/// The most that is kept in hand, which is there from the start.
const IN_HAND: f64 = 10.0;

/// Pays, and what all payments share for it.
pub struct Payments {
    /// Retries that may be made.
    budget: Mutex<f64>,
}

impl Payments {
    /// Before the first payment.
    pub fn start() -> Self {
        Self {
            budget: Mutex::new(IN_HAND),
        }
    }

    /// Charges the payment `key`, or says why not. The provider knows a payment by its key.
    pub async fn pay(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..RETRIES {
            match provider.charge(key).await {
                Err(_) if self.may_retry() => {}
                ended => return self.earn(ended),
            }
            // Full jitter: whoever failed together does not come back together.
            sleep(pause.mul_f64(fastrand::f64())).await;
            pause *= 2;
        }
        self.earn(provider.charge(key).await)
    }

    fn earn(&self, ended: Result<Receipt, Failure>) -> Result<Receipt, Failure> {
        if ended.is_ok() {
            let mut budget = self.budget.lock().unwrap();
            *budget = (*budget + EARNED).min(IN_HAND);
        }
        ended
    }

    /// Takes a retry out of the budget, where one is in it.
    fn may_retry(&self) -> bool {
        let mut budget = self.budget.lock().unwrap();
        let may = *budget >= 1.0;
        if may {
            *budget -= 1.0;
        }
        may
    }
}
