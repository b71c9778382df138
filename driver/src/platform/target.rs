//! The platform that is somebody else's: a service that runs already, wherever a URL leads. Nothing is started,
//! scaled or stopped, and nothing of it is watched but its answers and, where it has one, its `/metrics`. What sends
//! the load may be started: see [`super::cluster::ClusterTarget`].

use std::{collections::BTreeMap, io, net::SocketAddr, time::Instant};

use lab_load::Service;
use reqwest::Url;
use tokio::sync::{mpsc, watch};

use super::{
    Command, Endpoint, Load, Platform, Replica, Stack, StackControl, StackSpec, Starting, Targets,
};
use crate::scenario::{Dep, Scenario, Source};

/// Why a service can't be a target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is of no use.
    #[error("--target {url}: {problem}; give the base of the service, as in http://127.0.0.1:8080")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody is there.
    #[error("--target {url}: {why}; is the service up, and does it listen there?")]
    Unreachable {
        /// As it was given.
        url: String,
        /// What the system says.
        why: io::Error,
    },
    /// The scenario wants what only the workshop's services have.
    #[error(
        "with --target a scenario can't have {0}: only the workshop's own services can do that"
    )]
    Scenario(String),
}

/// The base of a service, as a URL gives it.
#[derive(Clone, Debug)]
pub struct Base {
    /// As it was given.
    pub(super) url: String,
    /// The name or address to look up.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
    /// What requests name as their host.
    authority: String,
    path: String,
}

impl Base {
    /// Reads `url`.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let problem = |problem: &str| Error::Url {
            url: url.to_owned(),
            problem: problem.to_owned(),
        };
        let parsed = Url::parse(url).map_err(|error| problem(&error.to_string()))?;
        if parsed.scheme() == "https" {
            return Err(problem(
                "the load engine speaks no TLS; name the service's plain port, behind what ends the TLS",
            ));
        }
        if parsed.scheme() != "http" {
            return Err(problem(&format!("`{}` is not http", parsed.scheme())));
        }
        let secret = !parsed.username().is_empty() || parsed.password().is_some();
        if secret || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(problem("no name, password, query or fragment can be in it"));
        }
        let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
            return Err(problem("it names no host"));
        };
        let port_given = parsed.port();
        Ok(Self {
            url: url.to_owned(),
            // An IPv6 address is in brackets in a URL, and not in a lookup.
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port,
            authority: port_given.map_or(host.to_owned(), |port| format!("{host}:{port}")),
            path: parsed.path().to_owned(),
        })
    }

    /// The service, its name having led to this address.
    pub(super) fn endpoint(&self, addr: SocketAddr) -> Result<Endpoint, Error> {
        Endpoint::named(addr, &self.authority, &self.path).ok_or_else(|| Error::Url {
            url: self.url.clone(),
            problem: "its host can't stand in a header".to_owned(),
        })
    }

    /// Why it can't be reached.
    pub(super) fn unreachable(&self, why: io::Error) -> Error {
        Error::Unreachable {
            url: self.url.clone(),
            why,
        }
    }
}

/// One service of somebody's.
#[derive(Clone, Debug)]
pub struct TargetPlatform {
    url: String,
    endpoint: Endpoint,
}

impl TargetPlatform {
    /// The service at `url`, which must take connections.
    pub async fn at(url: &str) -> Result<Self, Error> {
        let base = Base::parse(url)?;
        let addr = lab_load::find(&base.host, base.port).await;
        let addr = addr.map_err(|why| base.unreachable(why))?;
        Ok(Self {
            endpoint: base.endpoint(addr)?,
            url: base.url,
        })
    }
}

/// Refuses a scenario that needs more than a service that answers.
pub fn check(scenario: &Scenario) -> Result<(), Error> {
    let services = &scenario.services;
    let own = [
        (services.api.is_some(), "[services.api]".to_owned()),
        (services.worker.is_some(), "[services.worker]".to_owned()),
        (services.dep != Dep::default(), "[services.dep]".to_owned()),
    ];
    let phases = scenario.phases.iter().map(|phase| {
        let faulty = phase
            .fault
            .as_ref()
            .is_some_and(|fault| fault.dep.is_some());
        (
            faulty,
            format!("a `dep` in the fault of phase `{}`", phase.name),
        )
    });
    let classes = scenario.classes.iter().map(|class| {
        let elsewhere = class.service != Service::Api;
        (
            elsewhere,
            format!("another service for class `{}`", class.name),
        )
    });
    let series = scenario.series.iter().map(|series| {
        let elsewhere = match &series.source {
            Source::Metric(metric) | Source::Rate(metric) => metric.service != Service::Api,
            Source::Dbstats(_) | Source::Replicas(_) => true,
        };
        (elsewhere, format!("the source of series `{}`", series.id))
    });
    let mut all = own.into_iter().chain(phases).chain(classes).chain(series);
    match all.find(|(has, _)| *has) {
        None => Ok(()),
        Some((_, what)) => Err(Error::Scenario(what)),
    }
}

impl Platform for TargetPlatform {
    fn name(&self) -> &'static str {
        "target"
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("target".to_owned(), self.url.clone())])
    }

    fn scaling(&self) -> String {
        "nothing is scaled".to_owned()
    }

    fn start<'a>(&'a self, _: &'a StackSpec) -> Starting<'a> {
        let stack = stack(Load::Driver, &self.endpoint, async { Ok(()) });
        Box::pin(async move { Ok(stack) })
    }
}

/// A stack of one endpoint, which nobody watches; `end` is done when it is to stop.
pub(super) fn stack(
    load: Load,
    endpoint: &Endpoint,
    end: impl Future<Output = Result<(), super::Error>> + Send + 'static,
) -> Stack {
    let now = Instant::now();
    let (_, targets) = watch::channel(Targets {
        api: vec![endpoint.clone()],
        ..Targets::default()
    });
    let (_, replicas) = watch::channel(vec![Replica {
        name: "target".to_owned(),
        endpoint: Some(endpoint.clone()),
        created: now,
        ready_since: Some(now),
    }]);
    let (failures_end, failures) = mpsc::unbounded_channel();
    let (events_end, events) = mpsc::unbounded_channel();
    let (commands, mut given) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        // Nothing fails and nothing happens, which the open ends say until the stack is stopped.
        let _ends = (failures_end, events_end);
        let asked = loop {
            match given.recv().await {
                Some(Command::Stop(done)) => break Some(done),
                Some(_) => {}
                None => break None,
            }
        };
        let ended = end.await;
        if let Some(done) = asked {
            // Whoever asked may not wait for the answer.
            let _ = done.send(ended);
        }
    });
    Stack {
        load,
        targets,
        replicas,
        failures,
        events,
        decisions: None,
        control: StackControl { commands },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::steps;

    async fn refused(url: &str) -> String {
        TargetPlatform::at(url).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_url_that_leads_nowhere_says_why() {
        assert!(
            refused("127.0.0.1:8080")
                .await
                .contains("--target 127.0.0.1:8080")
        );
        assert!(refused("https://localhost").await.contains("no TLS"));
        assert!(
            refused("ftp://localhost")
                .await
                .contains("`ftp` is not http")
        );
        assert!(
            refused("http://me:secret@localhost")
                .await
                .contains("no name, password")
        );
        assert!(refused("http://localhost/?a=b").await.contains("query"));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        assert!(refused(&url).await.contains("is the service up"));
    }

    #[tokio::test]
    async fn the_path_of_the_url_comes_first_and_its_host_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = TargetPlatform::at(&format!("http://localhost:{port}/v1/"))
            .await
            .unwrap();
        assert_eq!(
            target.endpoint.to_string(),
            format!("http://localhost:{port}/v1")
        );
        assert_eq!(target.endpoint.addr().port(), port);
    }

    #[test]
    fn the_workshop_s_scenarios_need_its_services() {
        for scenario in steps().unwrap() {
            let error = check(&scenario).unwrap_err().to_string();
            assert!(error.contains("[services."), "{error}");
        }
    }
}
