//! Ctrl-C, and the other ways in which somebody asks this program to end.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Somebody asked for the end before there was anything to record.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was measured and nothing is left running")]
pub struct Interrupted;

/// A token that is cancelled by the first SIGINT, SIGTERM or SIGHUP: whoever waits for something
/// waits for it too, then tidies up. A second signal ends the program at once; the services notice
/// that their parent is gone.
pub fn watch() -> Result<CancellationToken> {
    let interrupt = CancellationToken::new();
    for kind in kinds() {
        let mut signals = signal(kind).context("can't listen for signals")?;
        let interrupt = interrupt.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if interrupt.is_cancelled() {
                    std::process::exit(130);
                }
                interrupt.cancel();
            }
        });
    }
    Ok(interrupt)
}

/// Whether somebody who sends this signal asks for the end.
pub(crate) fn asks_for_the_end(signal: i32) -> bool {
    kinds().iter().any(|kind| kind.as_raw_value() == signal)
}

fn kinds() -> [SignalKind; 3] {
    [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ]
}
