//! Who still sends requests to replicas that leave.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use super::Endpoint;

/// The list by which requests are sent lags behind: whoever was told to leave stays on it for a while. So it is on
/// Kubernetes, where the kubelet lets a pod go while controllers and proxies learn of it, each at its own pace.
#[derive(Debug, Default)]
pub(super) struct Listed(Vec<(Instant, Endpoint)>);

impl Listed {
    /// Keeps a replica on the list for so long.
    pub(super) fn keep(&mut self, replica: Endpoint, listed_for: Duration) {
        self.0.push((Instant::now() + listed_for, replica));
    }

    /// Those that are still on it.
    pub(super) fn endpoints(&mut self) -> Vec<Endpoint> {
        let now = Instant::now();
        self.0.retain(|(until, _)| *until > now);
        self.0.iter().map(|(_, replica)| replica.clone()).collect()
    }

    /// Waits until one is to go from it; for ever where there is none.
    pub(super) async fn next_goes(&self) {
        match self.0.iter().map(|(until, _)| *until).min() {
            Some(until) => tokio::time::sleep_until(until.into()).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[tokio::test]
    async fn who_leaves_is_listed_for_a_while() {
        let mut listed = Listed::default();
        let replica = Endpoint::from(SocketAddr::from(([127, 0, 0, 1], 80)));
        listed.keep(replica.clone(), Duration::from_hours(1));
        assert_eq!(listed.endpoints(), std::slice::from_ref(&replica));
        listed.keep(replica, Duration::ZERO);
        listed.next_goes().await;
        assert_eq!(listed.endpoints().len(), 1, "the one of an hour");
    }
}
