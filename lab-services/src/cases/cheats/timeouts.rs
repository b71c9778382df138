//! Cheats of step 1.

use std::time::Duration;

use tokio::time::timeout;

use crate::cases::{Ask, Quote, starter};
use crate::dep::Dep;
use crate::failure::Failure;

/// Their names.
pub const NAMES: &[&str] = &[
    "short-timeout",
    "more-slots",
    "no-call",
    "fake-fallback",
    "padding",
];

const MADE_UP: Quote = Quote { receipt: 1 };

/// The starter, with the cheat `name`.
pub async fn quote(name: &str, dep: &Dep, ask: &Ask) -> Result<Quote, Failure> {
    match name {
        // Kills the good calls too.
        "short-timeout" => {
            timeout(
                Duration::from_millis(10),
                starter::timeouts::quote(dep, ask),
            )
            .await?
        }
        // Succeeds always, and never asks.
        "no-call" => Ok(MADE_UP),
        // Tells the caller that all is well.
        "fake-fallback" => timeout(
            Duration::from_millis(200),
            starter::timeouts::quote(dep, ask),
        )
        .await
        .unwrap_or(Ok(MADE_UP)),
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
