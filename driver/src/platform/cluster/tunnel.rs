//! A way into one pod: a port of this machine that `kubectl` forwards to it.

use std::{net::SocketAddr, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::{
    Error,
    kubectl::{Kubectl, Staying},
    objects::NAMESPACE,
};

/// For a tunnel to open; it takes less than a second.
const OPENS_WITHIN: Duration = Duration::from_secs(15);

/// An open tunnel; it closes when this is dropped.
pub(super) struct Tunnel {
    /// Its end on this machine.
    pub(super) addr: SocketAddr,
    watch: JoinHandle<()>,
}

impl Tunnel {
    /// Opens one from `port` (0 for a free one) to `to` of a pod. `broken` hears when it ends by itself.
    pub(super) async fn open(
        kubectl: &Kubectl,
        pod: String,
        port: u16,
        to: u16,
        broken: mpsc::UnboundedSender<(String, String)>,
    ) -> Result<Self, Error> {
        let ports = if port == 0 {
            format!(":{to}")
        } else {
            format!("{port}:{to}")
        };
        let namespace = format!("--namespace={NAMESPACE}");
        let mut process = kubectl.stay(&[
            "port-forward",
            "--address=127.0.0.1",
            &namespace,
            &format!("pod/{pod}"),
            &ports,
        ])?;
        let line = timeout(OPENS_WITHIN, process.line()).await.ok().flatten();
        let Some(addr) = line.as_deref().and_then(local_end) else {
            let text = process.complaint().await;
            return Err(Error::Tunnel { pod, text });
        };
        Ok(Self {
            addr,
            watch: tokio::spawn(watch(process, pod, broken)),
        })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // The process goes with the task that holds it.
        self.watch.abort();
    }
}

/// Reads to the end, so that the process never waits for a reader: it prints a line a connection.
async fn watch(mut process: Staying, pod: String, broken: mpsc::UnboundedSender<(String, String)>) {
    while process.line().await.is_some() {}
    let text = process.complaint().await;
    // Nobody listens when the run is over.
    let _ = broken.send((pod, text));
}

/// From `Forwarding from 127.0.0.1:41234 -> 8080`.
fn local_end(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("from ")?;
    rest.split(" -> ").next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::local_end;

    #[test]
    fn the_local_end_is_in_the_first_line() {
        let addr = local_end("Forwarding from 127.0.0.1:41234 -> 8080").unwrap();
        assert_eq!(addr.port(), 41234);
        assert!(local_end("error: lost connection to pod").is_none());
    }
}
