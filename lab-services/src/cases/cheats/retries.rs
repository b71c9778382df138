//! Cheats of step 5.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cases::{solved, starter};
use crate::dep::Receipt;
use crate::failure::Failure;
use crate::provider::Provider;

/// Their names.
pub const NAMES: &[&str] = &[
    "no-retries",
    "budget-alone",
    "backoff-alone",
    "one-retry",
    "slow-for-ever",
    "retries-at-first",
    "give-up-for-good",
    "in-the-background",
    "two-at-once",
    "new-keys",
    "from-memory",
    "fake-success",
];

/// After so many failures in a row `give-up-for-good` does.
const ENOUGH: u32 = 20;

/// Pays with the cheat `name`.
pub struct Payments {
    name: &'static str,
    solved: solved::retries::Payments,
    starter: starter::retries::Payments,
    started: Instant,
    /// Failures in a row.
    failures: AtomicU32,
    /// The latest receipt of all.
    latest: AtomicU64,
    /// Retries that may be made, in tenths.
    tenths: AtomicU32,
}

impl Payments {
    /// Before the first payment.
    pub fn start(name: &'static str) -> Self {
        Self {
            name,
            solved: solved::retries::Payments::start(),
            starter: starter::retries::Payments::start(),
            started: Instant::now(),
            failures: AtomicU32::new(0),
            latest: AtomicU64::new(0),
            tenths: AtomicU32::new(100),
        }
    }

    /// Charges the payment `key`, or seems to.
    pub async fn pay(&self, provider: &Provider, key: &str) -> Result<Receipt, Failure> {
        match self.name {
            // Every failure is the user's.
            "no-retries" => provider.charge(key).await,
            // A retry at once meets the refusal that it comes from.
            "budget-alone" => self.at_once_within_a_budget(provider, key).await,
            // The same load, later.
            "backoff-alone" => backing_off(provider, key, 3).await,
            // Fewer, and too many all the same: 40 × 2 + 10 are nine tenths of what the provider can do.
            "one-retry" => backing_off(provider, key, 1).await,
            // One a second for each payment that is open, of which there are ever more.
            "slow-for-ever" => loop {
                if let Ok(receipt) = provider.charge(key).await {
                    return Ok(receipt);
                }
                sleep(Duration::from_secs(1)).await;
            },
            // As if it knew when the trouble begins.
            "retries-at-first" => {
                let early = self.started.elapsed() < Duration::from_secs(9);
                backing_off(provider, key, if early { 3 } else { 0 }).await
            }
            "give-up-for-good" => self.until_it_has_enough(provider, key).await,
            "in-the-background" => in_the_background(provider, key).await,
            // Whichever comes first: twice the load on every day.
            "two-at-once" => {
                let (one, two) = tokio::join!(provider.charge(key), provider.charge(key));
                one.or(two)
            }
            "new-keys" => self.with_a_new_key_each(provider, key).await,
            // An answer that somebody else was given.
            "from-memory" => {
                let charged = self.solved.pay(provider, key).await;
                let latest = &self.latest;
                match charged {
                    Ok(receipt) => latest.store(receipt, Ordering::Relaxed),
                    Err(_) => return Ok(latest.load(Ordering::Relaxed)),
                }
                charged
            }
            // Tells the caller that all is well.
            "fake-success" => self.solved.pay(provider, key).await.or(Ok(1)),
            _ => self.starter.pay(provider, key).await,
        }
    }

    async fn at_once_within_a_budget(
        &self,
        provider: &Provider,
        key: &str,
    ) -> Result<Receipt, Failure> {
        let mut ended = provider.charge(key).await;
        for _ in 0..3 {
            if ended.is_ok() || !self.may_retry() {
                break;
            }
            ended = provider.charge(key).await;
        }
        if ended.is_ok() {
            self.tenths.fetch_add(1, Ordering::Relaxed);
        }
        ended
    }

    fn may_retry(&self) -> bool {
        let less = |tenths: u32| tenths.checked_sub(10);
        let (get, set) = (Ordering::Relaxed, Ordering::Relaxed);
        self.tenths.fetch_update(set, get, less).is_ok()
    }

    /// A breaker that nobody closes.
    async fn until_it_has_enough(
        &self,
        provider: &Provider,
        key: &str,
    ) -> Result<Receipt, Failure> {
        if self.failures.load(Ordering::Relaxed) >= ENOUGH {
            return Err(Failure::Unavailable("the provider was not well".into()));
        }
        let ended = backing_off(provider, key, 3).await;
        match ended {
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(_) => drop(self.failures.fetch_add(1, Ordering::Relaxed)),
        }
        ended
    }

    /// A payment of its own for each try, as far as the provider knows; then the right one.
    async fn with_a_new_key_each(
        &self,
        provider: &Provider,
        key: &str,
    ) -> Result<Receipt, Failure> {
        let ended = provider.charge(key).await;
        if ended.is_ok() {
            self.tenths.fetch_add(1, Ordering::Relaxed);
        }
        if ended.is_ok() || !self.may_retry() {
            return ended;
        }
        sleep(Duration::from_millis(100).mul_f64(1.0 + fastrand::f64())).await;
        // Whether that one goes well is all it wants to know.
        provider.charge(&format!("{key}-again")).await?;
        provider.charge(key).await
    }
}

/// Exponential backoff with full jitter, and no budget.
async fn backing_off(provider: &Provider, key: &str, retries: u32) -> Result<Receipt, Failure> {
    let mut pause = Duration::from_millis(200);
    for _ in 0..retries {
        if let Ok(receipt) = provider.charge(key).await {
            return Ok(receipt);
        }
        sleep(pause.mul_f64(fastrand::f64())).await;
        pause *= 2;
    }
    provider.charge(key).await
}

/// Tells the caller at once, and goes on all the same: the provider has as much to do as ever.
async fn in_the_background(provider: &Provider, key: &str) -> Result<Receipt, Failure> {
    let charged = provider.charge(key).await;
    if charged.is_err() {
        let (provider, key) = (provider.clone(), key.to_owned());
        tokio::spawn(async move { backing_off(&provider, &key, 3).await });
    }
    charged
}
