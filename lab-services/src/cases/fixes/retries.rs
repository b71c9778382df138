//! Fixes of step 5.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::dep::Receipt;
use crate::failure::Failure;
use crate::provider::Provider;

/// Their names.
pub const NAMES: &[&str] = &["other-sizes", "breaker"];

/// Failures in a row that open the breaker: more than a refusal for a tenth of a second makes.
const OPENS_AFTER: u32 = 10;

/// How long it stays open before one call may see whether the provider is well.
const OPEN_FOR: Duration = Duration::from_millis(500);

/// Pays with the fix `name`.
pub struct Payments {
    name: &'static str,
    budget: Mutex<f64>,
    breaker: Mutex<Breaker>,
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    /// When a call may see; none where all may.
    opens: Option<Instant>,
}

impl Payments {
    /// Before the first payment.
    pub fn start(name: &'static str) -> Self {
        Self {
            name,
            budget: Mutex::new(10.0),
            breaker: Mutex::default(),
        }
    }

    /// Charges the payment `key`.
    pub async fn pay(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        match self.name {
            "breaker" => self.through_the_breaker(provider, key).await,
            _ => self.with_other_sizes(provider, key).await,
        }
    }

    /// Two retries after longer pauses, half of which is jitter, from a budget of a fifth of the successes, as Finagle's and
    /// Envoy's are by themselves.
    async fn with_other_sizes(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        for pause in [100, 200] {
            let ended = provider.charge(key).await;
            if ended.is_ok() || !self.may_retry() {
                return self.earn(ended);
            }
            sleep(Duration::from_millis(pause).mul_f64(1.0 + fastrand::f64())).await;
        }
        self.earn(provider.charge(key).await)
    }

    fn earn(&self, ended: Result<Receipt, Failure>) -> Result<Receipt, Failure> {
        if ended.is_ok() {
            let mut budget = locked(&self.budget);
            *budget = (*budget + 0.2).min(20.0);
        }
        ended
    }

    fn may_retry(&self) -> bool {
        let mut budget = locked(&self.budget);
        let may = *budget >= 1.0;
        if may {
            *budget -= 1.0;
        }
        may
    }

    /// One retry, and none of anything once so many calls in a row have failed; then a single call looks now and then.
    async fn through_the_breaker(
        &self,
        provider: &Provider,
        key: &str,
    ) -> Result<Receipt, Failure> {
        match self.call(provider, key).await {
            Err(Failure::Unavailable(why)) => return Err(Failure::Unavailable(why)),
            Err(_) => sleep(Duration::from_millis(100).mul_f64(1.0 + fastrand::f64())).await,
            ended => return ended,
        }
        self.call(provider, key).await
    }

    async fn call(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        if !locked(&self.breaker).lets_through() {
            return Err(Failure::Unavailable("the provider is not well".into()));
        }
        let ended = provider.charge(key).await;
        locked(&self.breaker).saw(ended.is_ok());
        ended
    }
}

impl Breaker {
    fn lets_through(&mut self) -> bool {
        let now = Instant::now();
        match self.opens {
            Some(opens) if now < opens => false,
            Some(_) => {
                self.opens = Some(now + OPEN_FOR);
                true
            }
            None => true,
        }
    }

    fn saw(&mut self, well: bool) {
        if well {
            *self = Self::default();
            return;
        }
        self.failures += 1;
        if self.failures == OPENS_AFTER {
            self.opens = Some(Instant::now() + OPEN_FOR);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
