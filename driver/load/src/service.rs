//! The services of a stack, and where their ready replicas are.

use std::{fmt, net::SocketAddr, sync::Arc};

use http::HeaderValue;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};

use super::tls::Tls;

/// A service of the stack.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The front door, possibly several replicas.
    #[default]
    Api,
    /// The batch worker.
    Worker,
    /// The dependency of the api.
    Dep,
    /// The owner of the ledger.
    Auditor,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Dep => "dep",
            Self::Auditor => "auditor",
        })
    }
}

/// Where a replica takes requests over HTTP: an address of this network and, behind a proxy, the path
/// that leads to the replica. As text it is a URL without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Endpoint {
    addr: SocketAddr,
    host: Arc<str>,
    base: Arc<str>,
    tls: Option<Tls>,
}

/// An endpoint as it is sent to another engine.
#[derive(Serialize, Deserialize)]
struct Parts {
    addr: SocketAddr,
    host: String,
    base: String,
}

impl Serialize for Endpoint {
    /// What TLS needs stays where it was made: another engine would speak plain text where that is asked for.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.tls.is_some() {
            return Err(S::Error::custom("load pods speak no TLS"));
        }
        let parts = Parts {
            addr: self.addr,
            host: self.host.as_ref().to_owned(),
            base: self.base.as_ref().to_owned(),
        };
        parts.serialize(to)
    }
}

impl TryFrom<Parts> for Endpoint {
    type Error = &'static str;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        Self::named(parts.addr, &parts.host, &parts.base).ok_or("no host can stand in a header")
    }
}

impl Endpoint {
    /// What lies behind `base` of the server at `addr`: a path as `/a/b`, or nothing.
    pub fn behind(addr: SocketAddr, base: &str) -> Self {
        Self {
            addr,
            host: addr.to_string().into(),
            base: base.trim_end_matches('/').into(),
            tls: None,
        }
    }

    /// The same of a server that is called `host`, as requests to it must say; none where that can't stand in a
    /// header.
    pub fn named(addr: SocketAddr, host: &str, base: &str) -> Option<Self> {
        HeaderValue::from_str(host).ok()?;
        Some(Self {
            host: host.into(),
            ..Self::behind(addr, base)
        })
    }

    /// The same, spoken with under TLS.
    #[must_use]
    pub fn under(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// The server to connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What requests name as their host.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// How to speak TLS with it, where it wants that.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The path to put before that of a request; mostly empty.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self::behind(addr, "")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.tls.as_ref().map_or("http", |_| "https");
        write!(f, "{scheme}://{}{}", self.host, self.base)
    }
}

/// The replicas that are ready, by service: where requests may be sent now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Replicas of the api, oldest first.
    pub api: Vec<Endpoint>,
    /// Replicas of the worker.
    pub worker: Vec<Endpoint>,
    /// Replicas of the dependency.
    pub dep: Vec<Endpoint>,
    /// The auditor, where there is a ledger.
    pub auditor: Vec<Endpoint>,
}

impl Targets {
    /// The replicas of one service.
    pub fn of(&self, service: Service) -> &[Endpoint] {
        match service {
            Service::Api => &self.api,
            Service::Worker => &self.worker,
            Service::Dep => &self.dep,
            Service::Auditor => &self.auditor,
        }
    }

    /// All of them.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let services = [&self.api, &self.worker, &self.dep, &self.auditor];
        services.into_iter().flatten()
    }
}
