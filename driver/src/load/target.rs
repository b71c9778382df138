//! Where requests go.

use std::net::SocketAddr;

/// A service of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// The front door, possibly several replicas.
    Api,
    /// The batch worker.
    Worker,
    /// The dependency of the api.
    Dep,
}

/// The replicas that are ready, by service. Requests go round them in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Replicas of the api.
    pub api: Vec<SocketAddr>,
    /// Replicas of the worker.
    pub worker: Vec<SocketAddr>,
    /// Replicas of the dependency.
    pub dep: Vec<SocketAddr>,
}

impl Targets {
    /// The replicas of one service.
    pub fn of(&self, service: Service) -> &[SocketAddr] {
        match service {
            Service::Api => &self.api,
            Service::Worker => &self.worker,
            Service::Dep => &self.dep,
        }
    }

    /// True where any service has a replica at `address`.
    pub fn contains(&self, address: SocketAddr) -> bool {
        [&self.api, &self.worker, &self.dep]
            .into_iter()
            .any(|replicas| replicas.contains(&address))
    }
}
