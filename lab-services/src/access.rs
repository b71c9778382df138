//! Who is answered: programs, on this machine or in the cluster, and no web page of a stranger.
//!
//! A browser on this machine also shows pages of others. Such a page can send requests here, and with a name of its
//! own that resolves to 127.0.0.1 it could read the answers. Browsers say where a request comes from, and no page can
//! keep them from it; whoever is no browser has nothing to say and is asked for nothing but JSON.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::refusal::refusal;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Names under which a service may be asked for, besides `localhost` and IP addresses: to make a browser take one
/// origin for another, a stranger needs a name.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Arc<[String]>);

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error(
        "this service answers to an IP address, to localhost, and to the names in LAB_ALLOWED_HOSTS; the Host of this \
         request is none of them"
    )]
    ForeignHost,
    #[error(
        "this request comes from a web page of another origin, and no page may ask for this. To look at it in a \
         browser, type the address; for anything else use curl"
    )]
    ForeignPage,
    #[error(
        "the body must be sent as application/json: curl --json '{{…}}', or curl -H 'content-type: application/json' \
         -d '{{…}}'"
    )]
    NotJson,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignPage => StatusCode::FORBIDDEN,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        refusal(status, self)
    }
}

/// The layer before all routes of a service.
pub(crate) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let has_body = !request.body().is_end_stream();
    match admit(&hosts, request.uri(), request.headers(), has_body) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn admit(hosts: &Hosts, uri: &Uri, headers: &HeaderMap, has_body: bool) -> Result<(), Refusal> {
    let host = only(headers, &header::HOST).ok_or(Refusal::ForeignHost)?;
    let named = uri.authority().is_none_or(|named| named.as_str() == host);
    if !named || !hosts.hold(host) {
        return Err(Refusal::ForeignHost);
    }
    if !is_own_origin(headers, host) || !is_own_site(headers) {
        return Err(Refusal::ForeignPage);
    }
    if has_body && !is_json(headers) {
        return Err(Refusal::NotJson);
    }
    Ok(())
}

impl Hosts {
    /// `localhost`, IP addresses, and `names`; with `*` among them any name at all.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.into())
    }

    /// Whether `host` is one of them, on whatever port.
    fn hold(&self, host: &str) -> bool {
        let name = name(host);
        is_address(name)
            || name.eq_ignore_ascii_case("localhost")
            || self
                .0
                .iter()
                .any(|known| known == "*" || known.eq_ignore_ascii_case(name))
    }
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

/// Whether it is the address of a machine. That of none leads to this one, and some browsers don't count it as such.
fn is_address(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(bare) => bare
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| !address.is_unspecified()),
        None => name
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| !address.is_unspecified()),
    }
}

/// Whether no page sends this, or one that was itself shown by this service.
fn is_own_origin(headers: &HeaderMap, host: &str) -> bool {
    headers
        .get_all(header::ORIGIN)
        .iter()
        .all(|origin| origin.as_bytes().strip_prefix(b"http://") == Some(host.as_bytes()))
}

/// Whether a browser that says where the request comes from says: from here, or from the address bar.
fn is_own_site(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .all(|site| site == "same-origin" || site == "none")
}

fn is_json(headers: &HeaderMap) -> bool {
    only(headers, &header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The value of a header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&'static str, &str)], has_body: bool) -> Result<(), Refusal> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let hosts = Hosts::new(&["dep".to_owned()]);
        admit(&hosts, &Uri::from_static("/work"), &headers, has_body)
    }

    #[test]
    fn addresses_and_known_names_are_answered_on_any_port() {
        for host in [
            "127.0.0.1:30080",
            "localhost:30080",
            "LocalHost",
            "10.42.0.7:8080",
            "[::1]:8080",
            "dep:8082",
            "dep",
        ] {
            assert_eq!(told(&[("host", host)], false), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_of_somebody_else_is_not_ours() {
        for host in [
            "rebind.example:30080",
            "localhost.rebind.example",
            "127.0.0.1.rebind.example:30080",
            "dep.rebind.example",
            "127.1",
            "2130706433:30080",
            "0.0.0.0:30080",
            "[::]:30080",
            "[rebind.example]",
            "[::1",
            "",
        ] {
            let answer = told(&[("host", host)], false);
            assert_eq!(answer, Err(Refusal::ForeignHost), "{host}");
        }
        assert_eq!(told(&[], false), Err(Refusal::ForeignHost));
        let two = [("host", "127.0.0.1"), ("host", "127.0.0.1")];
        assert_eq!(told(&two, false), Err(Refusal::ForeignHost));
        let absolute = admit(
            &Hosts::new(&[]),
            &Uri::from_static("http://rebind.example/work"),
            &HeaderMap::from_iter([(header::HOST, "127.0.0.1".parse().unwrap())]),
            false,
        );
        assert_eq!(absolute, Err(Refusal::ForeignHost));
    }

    #[test]
    fn behind_a_proxy_any_name_may_be_allowed() {
        for host in ["cluster.example:6443", "0.0.0.0:6550", "[::1]:6443"] {
            assert!(Hosts::new(&["*".to_owned()]).hold(host), "{host}");
        }
        assert!(Hosts::new(&["0.0.0.0".to_owned()]).hold("0.0.0.0:6550"));
    }

    #[test]
    fn a_page_of_another_origin_is_refused_and_our_own_is_not() {
        let host = ("host", "127.0.0.1:30080");
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "http://127.0.0.1:4000"),
            ("origin", "https://127.0.0.1:30080"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", ""),
        ] {
            let answer = told(&[host, (name, value)], false);
            assert_eq!(answer, Err(Refusal::ForeignPage), "{name}: {value}");
        }
        for (name, value) in [
            ("origin", "http://127.0.0.1:30080"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(
                told(&[host, (name, value)], false),
                Ok(()),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn a_body_is_json_or_nothing() {
        let host = ("host", "localhost");
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(
                told(&[host, ("content-type", kind)], true),
                Ok(()),
                "{kind}"
            );
        }
        for kind in [
            "application/x-www-form-urlencoded",
            "text/plain; application/json",
            "",
        ] {
            let answer = told(&[host, ("content-type", kind)], true);
            assert_eq!(answer, Err(Refusal::NotJson), "{kind}");
        }
        assert_eq!(told(&[host], true), Err(Refusal::NotJson));
        assert_eq!(told(&[host], false), Ok(()));
    }
}
