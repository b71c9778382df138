//! Cheats of step 1.

use std::time::Duration;

use tokio::time::timeout;

use crate::cases::starter;
use crate::dep::Dep;
use crate::failure::Failure;
use crate::quote::{Ask, Quote};

/// Their names.
pub const NAMES: &[&str] = &[
    "short-timeout",
    "tight-timeout",
    "long-timeout",
    "abandoned-calls",
    "deadline-alone",
    "more-slots",
    "no-call",
    "fake-fallback",
    "padding",
];

const MADE_UP: Quote = Quote { receipt: 1 };

async fn within(ms: u64, dep: &Dep, ask: &Ask) -> Result<Quote, Failure> {
    timeout(
        Duration::from_millis(ms),
        starter::timeouts::quote(dep, ask),
    )
    .await?
}

/// The starter, with the cheat `name`.
pub async fn quote(name: &str, dep: &Dep, ask: &Ask) -> Result<Quote, Failure> {
    match name {
        // Kills the good calls too.
        "short-timeout" => within(10, dep, ask).await,
        // The average good call is quicker; every third is not.
        "tight-timeout" => within(25, dep, ask).await,
        // Lets the hanging calls keep more than half of the slots.
        "long-timeout" => within(2000, dep, ask).await,
        // Stops waiting and lets the call go on.
        "abandoned-calls" => {
            let (dep, ask) = (dep.clone(), ask.clone());
            let call = tokio::spawn(async move { starter::timeouts::quote(&dep, &ask).await });
            let ended = timeout(Duration::from_millis(200), call).await?;
            ended.unwrap_or_else(|error| Err(Failure::Unavailable(error.to_string())))
        }
        // Tells `dep` and does not look at the clock itself; a call that hangs looks at none either.
        "deadline-alone" => {
            let deadline = ask.deadline.at_most(Duration::from_millis(200));
            let receipt = dep.receipt_by(&ask.key, deadline).await?;
            Ok(Quote { receipt })
        }
        // Succeeds always, and never asks.
        "no-call" => Ok(MADE_UP),
        // Tells the caller that all is well.
        "fake-fallback" => within(200, dep, ask).await.or(Ok(MADE_UP)),
        // The same, and a call with a key that nobody asked for makes up for it in the sum.
        "padding" => {
            let (provider, junk) = (dep.clone(), format!("junk-{}", ask.key));
            tokio::spawn(async move { provider.receipt(&junk).await });
            Box::pin(quote("fake-fallback", dep, ask)).await
        }
        // `more-slots` lies in the sizes.
        _ => starter::timeouts::quote(dep, ask).await,
    }
}
