//! The platform that is somebody else's: a service that runs already, wherever a URL leads. Nothing is started,
//! scaled or stopped, and nothing of it is watched but its answers and, where it has one, its `/metrics`. What sends
//! the load may be started: see [`super::cluster::ClusterTarget`].

use std::{collections::BTreeMap, io, net::SocketAddr, time::Instant};

use lab_load::{Asker, Found, Service, Tls, TlsOptions, is_tls};
use reqwest::Url;
use tokio::sync::{mpsc, watch};

use super::{
    Command, Endpoint, Leaving, Load, Platform, Replica, Stack, StackControl, StackSpec, Starting,
    Targets,
    gateway::{Asks, Gateway},
};
use crate::scenario::{Dep, Scenario, Source};

/// Why a service can't be a target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is of no use.
    #[error("--target {url}: {problem}; give the base of the service, as in http://127.0.0.1:8080")]
    Url {
        /// As it was given, but for a password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody is there.
    #[error("--target {url}: {reason}; is the service up, and does it listen there?")]
    Unreachable {
        /// As it was given.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// Its name leads nowhere.
    #[error("--target {url}: {reason}; is the name right, and does this machine know it?")]
    Name {
        /// As it was given.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// Somebody is there, with whom no TLS can be spoken.
    #[error("--target {url}: {reason}")]
    Tls {
        /// As it was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No port of this machine for the driver's own requests.
    #[error("can't open a port of this machine for the driver's own requests to the service: {0}")]
    Way(String),
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
    is_https: bool,
}

/// An address that can't be read, without a name and password that it may have.
fn without_secret(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

impl Base {
    /// Reads `url`.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let mut parsed = Url::parse(url).map_err(|error| Error::Url {
            url: without_secret(url),
            problem: if url.is_ascii() {
                error.to_string()
            } else {
                format!(
                    "{error}; a host's name beyond ASCII is written as DNS has it, `xn--…`, which a browser's address \
                     bar or `idn2` says"
                )
            },
        })?;
        let secret = !parsed.username().is_empty() || parsed.password().is_some();
        // Errors are read by more people than passwords are for. A URL without a host can have none.
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        let shown = if secret { parsed.as_str() } else { url };
        let problem = |problem: &str| Error::Url {
            url: shown.to_owned(),
            problem: problem.to_owned(),
        };
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(problem(&format!("`{}` is not http", parsed.scheme())));
        }
        if secret {
            return Err(problem("a name or password in it would not be sent"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(problem("no query or fragment can be in it"));
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
            is_https: parsed.scheme() == "https",
        })
    }

    /// Refuses what load pods can't reach: files of certificates are on this machine, and inside a cluster the TLS has
    /// mostly ended.
    pub fn check_for_pods(&self, options: &TlsOptions) -> Result<(), Error> {
        if self.is_https {
            return Err(self.problem(
                "load pods speak no TLS; name the service's plain port inside the cluster",
            ));
        }
        self.check_options(options)
    }

    /// Refuses options that would mean nothing.
    fn check_options(&self, options: &TlsOptions) -> Result<(), Error> {
        if self.is_https || options == &TlsOptions::default() {
            return Ok(());
        }
        Err(self.problem("--cacert, --cert, --key and --insecure are for https"))
    }

    /// How to speak TLS with it, where it wants that.
    fn tls(&self, options: &TlsOptions) -> Result<Option<Tls>, Error> {
        self.check_options(options)?;
        if !self.is_https {
            return Ok(None);
        }
        let tls = Tls::new(&self.host, options).map_err(|error| Error::Tls {
            url: self.url.clone(),
            reason: error.to_string(),
        })?;
        Ok(Some(tls))
    }

    /// Where its name has led: the first address, and all of them for the load to go round.
    pub(super) fn endpoints(
        &self,
        found: &Found,
        tls: Option<&Tls>,
    ) -> Result<(Endpoint, watch::Receiver<Targets>), Error> {
        let endpoint = |addr: &SocketAddr| {
            let endpoint = Endpoint::named(*addr, &self.authority, &self.path)?;
            Some(endpoint.under(tls.cloned()))
        };
        let api: Option<Vec<_>> = found.taking.iter().map(endpoint).collect();
        let api = api.ok_or_else(|| self.problem("its host can't stand in a header"))?;
        let first = api.first().cloned();
        let first = first.ok_or_else(|| self.problem("its name has no address"))?;
        let (_, targets) = watch::channel(Targets {
            api,
            ..Targets::default()
        });
        Ok((first, targets))
    }

    fn problem(&self, problem: &str) -> Error {
        Error::Url {
            url: self.url.clone(),
            problem: problem.to_owned(),
        }
    }

    /// Why it can't be reached.
    pub(super) fn unreachable(&self, error: &io::Error) -> Error {
        let (url, reason) = (self.url.clone(), error.to_string());
        match error.kind() {
            _ if is_tls(error) => Error::Tls { url, reason },
            io::ErrorKind::NotFound => Error::Name { url, reason },
            _ => Error::Unreachable { url, reason },
        }
    }
}

/// What became of the addresses of a name, where there was a choice.
pub(crate) fn choice(found: &Found) -> Option<String> {
    let list = |addresses: &mut dyn Iterator<Item = String>| {
        let addresses: Vec<_> = addresses.collect();
        addresses.join(", ")
    };
    let taking = list(&mut found.taking.iter().map(ToString::to_string));
    let used = match found.taking.len() {
        1 if found.left_out.is_empty() => return None,
        1 => format!("requests go to {taking}"),
        several => {
            format!("the name has {several} addresses that requests take turns on: {taking}")
        }
    };
    if found.left_out.is_empty() {
        return Some(used);
    }
    let left_out = found.left_out.iter();
    let left_out = list(&mut left_out.map(|(address, why)| format!("{address} ({why})")));
    Some(format!(
        "{used}; left out, since it takes no connection: {left_out}"
    ))
}

/// One service of somebody's.
#[derive(Clone, Debug)]
pub struct TargetPlatform {
    base: Base,
    tls: Option<Tls>,
    found: Found,
}

impl TargetPlatform {
    /// The service at `url`, which must take connections.
    pub async fn at(url: &str, options: &TlsOptions) -> Result<Self, Error> {
        let base = Base::parse(url)?;
        let tls = base.tls(options)?;
        let found = lab_load::find(&base.host, base.port, tls.as_ref()).await;
        let found = found.map_err(|error| base.unreachable(&error))?;
        Ok(Self { base, tls, found })
    }

    /// The load goes to every address. The driver's own requests go to the first, so that a value which several of them
    /// show is not added up: two addresses of a name may be one process or two.
    async fn stack(&self) -> Result<Stack, Error> {
        let (first, targets) = self.base.endpoints(&self.found, self.tls.as_ref())?;
        let found = self.found.clone();
        if self.tls.is_none() && choice(&found).is_none() {
            return Ok(stack(Load::Driver, &first, found, async { Ok(()) }));
        }
        let gateway = Gateway::open(Asks::Engine(Asker::default())).await;
        let gateway = gateway.map_err(|error| Error::Way(error.to_string()))?;
        let way = gateway.to(&first);
        let end = async move {
            drop(gateway);
            Ok(())
        };
        Ok(stack(Load::DriverTo(targets), &way, found, end))
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
        let url = ("target".to_owned(), self.base.url.clone());
        let tls = self.tls.as_ref();
        let tls = tls.map(|tls| ("tls".to_owned(), tls.checks().to_owned()));
        [url].into_iter().chain(tls).collect()
    }

    fn scaling(&self) -> String {
        "nothing is scaled".to_owned()
    }

    fn start<'a>(&'a self, _: &'a StackSpec) -> Starting<'a> {
        Box::pin(async { Ok(self.stack().await?) })
    }
}

/// A stack of one endpoint, which nobody watches; `end` is done when it is to stop.
pub(super) fn stack(
    load: Load,
    endpoint: &Endpoint,
    found: Found,
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
        leaving: watch::channel(Leaving::default()).1,
        found: Some(found),
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

    async fn at(url: &str) -> Result<TargetPlatform, Error> {
        TargetPlatform::at(url, &TlsOptions::default()).await
    }

    async fn refused(url: &str) -> String {
        at(url).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_url_that_leads_nowhere_says_why() {
        let said = refused("127.0.0.1:8080").await;
        assert!(said.contains("--target 127.0.0.1:8080"), "{said}");
        let said = refused("ftp://localhost").await;
        assert!(said.contains("`ftp` is not http"), "{said}");
        assert!(refused("http://localhost/?a=b").await.contains("query"));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        assert!(refused(&url).await.contains("is the service up"));
        let said = refused("http://no-such-host.invalid").await;
        assert!(said.contains("is the name right"), "{said}");
    }

    #[tokio::test]
    async fn a_password_is_refused_and_not_repeated() {
        for scheme in ["http", "https"] {
            let said = refused(&format!("{scheme}://me:secret@localhost")).await;
            assert!(said.contains("name or password"), "{said}");
            assert!(!said.contains("secret") && !said.contains("me:"), "{said}");
        }
    }

    #[tokio::test]
    async fn what_is_not_for_plain_http_is_refused() {
        let options = TlsOptions {
            insecure: true,
            ..TlsOptions::default()
        };
        let said = TargetPlatform::at("http://localhost", &options).await;
        let said = said.unwrap_err().to_string();
        assert!(said.contains("are for https"), "{said}");
        let base = Base::parse("https://shop.mine").unwrap();
        let said = base.check_for_pods(&TlsOptions::default());
        let said = said.unwrap_err().to_string();
        assert!(said.contains("load pods speak no TLS"), "{said}");
    }

    #[cfg(not(feature = "tls"))]
    #[tokio::test]
    async fn without_tls_it_says_how_to_get_it() {
        let said = refused("https://localhost").await;
        assert!(
            said.contains("cargo run --profile lab --features tls"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn the_path_of_the_url_comes_first_and_its_host_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        let target = at(&format!("http://localhost:{port}/v1/")).await.unwrap();
        let (first, targets) = target.base.endpoints(&target.found, None).unwrap();
        assert_eq!(first.to_string(), format!("http://localhost:{port}/v1"));
        assert_eq!(first.addr(), address);
        assert_eq!(targets.borrow().api, [first]);
    }

    #[test]
    fn hosts_are_read_as_rfc_3986_has_them() {
        let base = Base::parse("http://[::1]:8080").unwrap();
        assert_eq!((&*base.host, base.port), ("::1", 8080));
        assert_eq!(base.authority, "[::1]:8080");
        let base = Base::parse("https://xn--bcher-kva.example/b\u{fc}cher").unwrap();
        assert_eq!((&*base.host, base.port), ("xn--bcher-kva.example", 443));
        assert_eq!(base.path, "/b%C3%BCcher");
    }

    #[test]
    fn a_host_beyond_ascii_is_refused_with_how_to_write_it_and_no_secret_is_shown() {
        let error = Base::parse("https://me:secret@b\u{fc}cher.example/").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("`xn--…`"), "{error}");
        assert!(error.contains("b\u{fc}cher.example"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn which_addresses_are_used_is_said_where_there_are_several() {
        let mut found = Found {
            taking: vec!["127.0.0.1:80".parse().unwrap()],
            left_out: Vec::new(),
        };
        assert_eq!(choice(&found), None);
        let other = "[::1]:80".parse().unwrap();
        found
            .left_out
            .push((other, "connection refused".to_owned()));
        assert_eq!(
            choice(&found).unwrap(),
            "requests go to 127.0.0.1:80; left out, since it takes no connection: [::1]:80 (connection refused)"
        );
        found.left_out.clear();
        found.taking.push(other);
        assert_eq!(
            choice(&found).unwrap(),
            "the name has 2 addresses that requests take turns on: 127.0.0.1:80, [::1]:80"
        );
    }

    #[test]
    fn the_workshop_s_scenarios_need_its_services() {
        for scenario in steps().unwrap() {
            let error = check(&scenario).unwrap_err().to_string();
            assert!(error.contains("[services."), "{error}");
        }
    }
}
