//! The way to the pods: a port of this machine, held by `kubectl proxy`, from which the API server passes
//! requests on to each pod. It leads to the pods of the run and nowhere else.
//!
//! `kubectl port-forward` would be shorter, but a client that gives up a request can break one
//! (kubernetes/kubernetes issue 74551), and giving up is what the clients of a scenario do.

use std::{net::SocketAddr, time::Duration};

use lab_load::Endpoint;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Error,
    kubectl::{Kubectl, Staying},
    site::Namespace,
};

/// For the proxy to listen; it takes a tenth of that.
const OPENS_WITHIN: Duration = Duration::from_secs(10);

/// For the first request to get through to a pod that is ready: its address may be new to the network.
const REACHES_WITHIN: Duration = Duration::from_secs(15);

/// Between two attempts at that.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The open way. It closes when this is dropped.
pub(super) struct Gate {
    addr: SocketAddr,
    namespace: Namespace,
    proxy: Staying,
}

impl Gate {
    pub(super) async fn open(kubectl: &Kubectl) -> Result<Self, Error> {
        let namespace = kubectl.site.namespace.clone();
        let paths = format!("--accept-paths=^/api/v1/namespaces/{namespace}/pods/[^/]+/proxy/");
        let mut proxy = kubectl.stay(&["proxy", "--address=127.0.0.1", "--port=0", &paths])?;
        let line = timeout(OPENS_WITHIN, proxy.line()).await.ok().flatten();
        match line.as_deref().and_then(listening) {
            Some(addr) => Ok(Self {
                addr,
                namespace,
                proxy,
            }),
            None => Err(Error::Proxy(proxy.complaint().await)),
        }
    }

    /// Where a pod's `port` is reached.
    pub(super) fn to(&self, pod: &str, port: u16) -> Endpoint {
        let namespace = &self.namespace;
        let base = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy");
        Endpoint::behind(self.addr, &base)
    }

    /// Waits until a pod that is ready also answers through here.
    pub(super) async fn reaches(
        &self,
        http: &reqwest::Client,
        pod: &Endpoint,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + REACHES_WITHIN;
        loop {
            let request = http.get(format!("{pod}/readyz")).timeout(REACHES_WITHIN);
            let answer = request.send().await;
            match answer.and_then(reqwest::Response::error_for_status) {
                Ok(_) => return Ok(()),
                Err(source) if Instant::now() > deadline => {
                    let namespace = self.namespace.to_string();
                    return Err(Error::Unreached { namespace, source });
                }
                Err(_) => sleep(AGAIN_AFTER).await,
            }
        }
    }

    /// Waits for its end, which nobody of this run asked for; why.
    pub(super) async fn broken(&mut self) -> String {
        while self.proxy.line().await.is_some() {}
        self.proxy.complaint().await
    }
}

/// From `Starting to serve on 127.0.0.1:41234`.
fn listening(line: &str) -> Option<SocketAddr> {
    line.rsplit(' ').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::listening;

    #[test]
    fn the_proxy_says_where_it_listens() {
        let addr = listening("Starting to serve on 127.0.0.1:41234").unwrap();
        assert_eq!(addr.port(), 41234);
        assert!(listening("error: unable to listen").is_none());
    }
}
