//! Who may ask for what: the rules that keep everybody out but a server's own pages.
//!
//! A browser on this machine also shows pages of strangers. Such a page can send requests here, and
//! with a name of its own that resolves to 127.0.0.1 it could even read the answers; and any user of
//! the machine can connect. Everything below is against that. The right to act is a token that pages
//! keep where only their own origin, port included, can read it, and that travels in a header which
//! browsers let no other origin send: no cookie, which would go to every port of this machine.

use std::net::{Ipv4Addr, SocketAddr};

use super::secret::{Secret, Ticket};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules for one server, with its secrets.
pub(crate) struct Door {
    address: SocketAddr,
    /// The host of the one address besides that leads here, where there is one: that of a codespace.
    forwarded: Option<String>,
    session: Secret,
    printed: Ticket,
    file: Ticket,
}

/// How a link is handed over. Each way has a ticket of its own, so that neither uses up the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the terminal.
    Printed,
    /// In the file that a browser is opened with.
    File,
}

/// Which of our names a request was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// The one under which pages are shown.
    Ours,
    /// `localhost`. It is another origin, and may be another server: whoever listens on `::1`.
    Localhost,
}

/// Why a request is not answered. The text says what to do to whoever meets it by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The `Host` header is missing, doubled or not ours.
    #[error("this server answers only under the address that `make book` printed")]
    ForeignHost,
    /// `Origin` is missing, `null` or not ours.
    #[error("only the guide's own pages may do this")]
    ForeignOrigin,
    /// The browser says that the request comes from another site or port.
    #[error("only the guide's own pages may ask for this")]
    ForeignSite,
    /// No token of this session.
    #[error("to run commands from the page, open the link that `make book` printed last")]
    NoSession,
    /// The link has been used, or was never good.
    #[error(
        "this link was used already or is of an earlier start; open the link that `make book` \
         printed last. If it was not you who used it, end the guide with Ctrl-C and start it again"
    )]
    StaleLink,
    /// The body is not declared as JSON.
    #[error("the body must be sent as application/json")]
    NotJson,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ForeignOrigin | Self::ForeignSite | Self::NoSession | Self::StaleLink => {
                StatusCode::FORBIDDEN
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), format!("{self}\n")).into_response()
    }
}

impl Door {
    /// The rules for a server on this address, with fresh secrets.
    pub(crate) fn new(address: SocketAddr) -> Result<Self, getrandom::Error> {
        Ok(Self {
            address,
            forwarded: None,
            session: Secret::random()?,
            printed: Ticket::new()?,
            file: Ticket::new()?,
        })
    }

    /// The same with another host that leads here, where there is one.
    #[must_use]
    pub(crate) fn forwarded(self, host: Option<String>) -> Self {
        Self {
            forwarded: host,
            ..self
        }
    }

    /// The origin of our pages.
    pub(crate) fn origin(&self) -> String {
        match &self.forwarded {
            Some(host) => format!("https://{host}"),
            None => self.at_home(),
        }
    }

    /// The origin of our pages for a browser on this machine.
    fn at_home(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The link that opens the guide with the right to run things; it is good once. Its secret is in
    /// the part of an address that browsers keep to themselves.
    pub(crate) fn link(&self, way: Way) -> String {
        let ticket = self.ticket(way).current();
        format!("{}/#ticket={ticket}", self.origin())
    }

    /// Takes the ticket of a link and gives the session's token for it.
    pub(crate) fn enter(&self, ticket: &str) -> Result<(Way, &str), Refusal> {
        [Way::Printed, Way::File]
            .into_iter()
            .find(|way| self.ticket(*way).redeem(ticket))
            .map(|way| (way, self.session.reveal()))
            .ok_or(Refusal::StaleLink)
    }

    /// The request was meant for this server.
    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<Name, Refusal> {
        let host = only(headers, &header::HOST).ok_or(Refusal::ForeignHost)?;
        let meant = uri.authority().is_none_or(|named| named.as_str() == host);
        let port = self.address.port();
        let is_on_loopback = self.address.ip() == Ipv4Addr::LOCALHOST;
        let is_ours = host == self.address.to_string() || self.forwarded.as_deref() == Some(host);
        let is_localhost = is_on_loopback && host == format!("localhost:{port}");
        if !meant {
            Err(Refusal::ForeignHost)
        // In a codespace it is what the proxy calls us.
        } else if is_ours || is_localhost && self.forwarded.is_some() {
            Ok(Name::Ours)
        } else if is_localhost {
            Ok(Name::Localhost)
        } else {
            Err(Refusal::ForeignHost)
        }
    }

    /// For every route: none where the request goes on, and the way to our own name for who asks for a page under another.
    /// All pages are of one origin: what one tab has, another can ask it for.
    pub(crate) fn lead_home(&self, request: &Request) -> Result<Option<Response>, Refusal> {
        let uri = request.uri();
        match (self.host(uri, request.headers())?, request.method()) {
            (Name::Ours, _) => Ok(None),
            (Name::Localhost, &Method::GET | &Method::HEAD) => {
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                let there = format!("{}{path}", self.origin());
                Ok(Some(redirect(&there, StatusCode::TEMPORARY_REDIRECT)))
            }
            (Name::Localhost, _) => Err(Refusal::ForeignHost),
        }
    }

    /// For what only our pages may see.
    pub(crate) fn follow(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        same_site(headers)?;
        self.session(headers)
    }

    /// For what acts.
    pub(crate) fn act(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.own(headers)?;
        self.session(headers)
    }

    /// For what our own pages alone may send, with a session or to get one.
    pub(crate) fn own(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let origin = only(headers, &header::ORIGIN).ok_or(Refusal::ForeignOrigin)?;
        let port = self.address.port();
        let by_proxy = || self.forwarded.is_some() && origin == format!("http://localhost:{port}");
        let is_ours = || origin == self.origin() || origin == self.at_home();
        if !is_ours() && !by_proxy() {
            return Err(Refusal::ForeignOrigin);
        }
        same_site(headers)?;
        json(headers)
    }

    /// Whether the request shows this session's token.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = bearer(headers).filter(|token| self.session.is(token));
        token.map(drop).ok_or(Refusal::NoSession)
    }

    fn ticket(&self, way: Way) -> &Ticket {
        match way {
            Way::Printed => &self.printed,
            Way::File => &self.file,
        }
    }
}

/// Leads to another address.
pub(crate) fn redirect(to: &str, status: StatusCode) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (status, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Browsers that tell where a request comes from must say: from the same origin.
pub(crate) fn same_site(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .all(|site| site == "same-origin")
    {
        Ok(())
    } else {
        Err(Refusal::ForeignSite)
    }
}

/// What a request shows for its right to ask.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    only(headers, &header::AUTHORIZATION)?.strip_prefix("Bearer ")
}

/// Refuses a body that is not declared as JSON, which a page of another origin can't send unasked.
pub(crate) fn json(headers: &HeaderMap) -> Result<(), Refusal> {
    let essence = only(headers, &header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(Refusal::NotJson)
    }
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

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn host(value: &str) -> Result<Name, Refusal> {
        let door = Door::new(([127, 0, 0, 1], 3000).into()).unwrap();
        door.host(&Uri::from_static("/"), &headers(&[("host", value)]))
    }

    #[test]
    fn only_our_hosts_with_our_port_are_ours() {
        assert_eq!(host("127.0.0.1:3000"), Ok(Name::Ours));
        assert_eq!(host("localhost:3000"), Ok(Name::Localhost));
        for foreign in [
            "evil.example:3000",
            "127.0.0.1",
            "127.0.0.1:3001",
            "127.0.0.1:03000",
            "localhost.evil.example:3000",
            "LOCALHOST:3000",
            "[::1]:3000",
            "0.0.0.0:3000",
            "",
        ] {
            assert_eq!(host(foreign), Err(Refusal::ForeignHost), "{foreign}");
        }
    }

    #[test]
    fn in_a_codespace_its_address_is_ours_and_the_one_that_its_proxy_uses() {
        let there = "shiny-lamp-3000.app.github.dev";
        let door = Door::new(([127, 0, 0, 1], 3000).into()).unwrap();
        let door = door.forwarded(Some(there.to_owned()));
        assert!(
            door.link(Way::Printed)
                .starts_with(&format!("https://{there}/#"))
        );
        for host in [there, "localhost:3000", "127.0.0.1:3000"] {
            let asked = door.host(&Uri::from_static("/"), &headers(&[("host", host)]));
            assert_eq!(asked, Ok(Name::Ours), "{host}");
        }
        for host in [
            "dull-lamp-3000.app.github.dev",
            "shiny-lamp-3000.app.github.dev:3000",
            "localhost:3001",
        ] {
            let asked = door.host(&Uri::from_static("/"), &headers(&[("host", host)]));
            assert_eq!(asked, Err(Refusal::ForeignHost), "{host}");
        }
        let own = |origin: &str| {
            door.own(&headers(&[
                ("origin", origin),
                ("content-type", "application/json"),
            ]))
        };
        for origin in ["http://localhost:3000", "http://127.0.0.1:3000"] {
            assert_eq!(own(origin), Ok(()), "{origin}");
        }
        assert_eq!(own(&format!("https://{there}")), Ok(()));
        for origin in [
            "https://localhost:3000",
            "https://dull-lamp-3000.app.github.dev",
            "null",
        ] {
            assert_eq!(own(origin), Err(Refusal::ForeignOrigin), "{origin}");
        }
    }

    /// The ticket in a link.
    fn ticket(door: &Door, way: Way) -> String {
        let link = door.link(way);
        link.split_once("/#ticket=").unwrap().1.to_owned()
    }

    #[test]
    fn each_way_has_a_link_of_its_own_that_is_good_once() {
        let door = Door::new(([127, 0, 0, 1], 3000).into()).unwrap();
        let printed = ticket(&door, Way::Printed);
        let file = ticket(&door, Way::File);
        assert_eq!(door.enter("guess").unwrap_err(), Refusal::StaleLink);
        let token = door.session.reveal();
        assert_eq!(door.enter(&file), Ok((Way::File, token)));
        assert_eq!(door.enter(&file), Err(Refusal::StaleLink));
        assert_eq!(door.enter(&printed), Ok((Way::Printed, token)));
        assert_eq!(door.enter(&printed), Err(Refusal::StaleLink));
        assert_eq!(door.enter(token), Err(Refusal::StaleLink));
        assert!(door.enter(&ticket(&door, Way::Printed)).is_ok());
    }

    #[test]
    fn acting_needs_origin_site_session_and_json() {
        let door = Door::new(([127, 0, 0, 1], 3000).into()).unwrap();
        let shown = format!("Bearer {}", door.session.reveal());
        let bare = shown.replace("Bearer ", "");
        let link = format!("Bearer {}", ticket(&door, Way::Printed));
        let all = [
            ("host", "127.0.0.1:3000"),
            ("origin", "http://127.0.0.1:3000"),
            ("sec-fetch-site", "same-origin"),
            ("authorization", &shown),
            ("content-type", "application/json"),
        ];
        assert_eq!(door.act(&headers(&all)), Ok(()));
        for (name, value, refusal) in [
            ("origin", "null", Refusal::ForeignOrigin),
            ("origin", "http://localhost:3000", Refusal::ForeignOrigin),
            ("origin", "https://127.0.0.1:3000", Refusal::ForeignOrigin),
            ("origin", "http://127.0.0.1:4000", Refusal::ForeignOrigin),
            ("sec-fetch-site", "same-site", Refusal::ForeignSite),
            ("sec-fetch-site", "none", Refusal::ForeignSite),
            ("authorization", "Bearer guess", Refusal::NoSession),
            ("authorization", &bare, Refusal::NoSession),
            ("authorization", &link, Refusal::NoSession),
            ("content-type", "text/plain", Refusal::NotJson),
        ] {
            let mut changed = headers(&all);
            changed.insert(name, value.parse().unwrap());
            assert_eq!(door.act(&changed), Err(refusal), "{name}: {value}");
        }
        for name in ["origin", "authorization"] {
            let mut doubled = headers(&all);
            doubled.append(name, doubled[name].clone());
            assert!(door.act(&doubled).is_err(), "{name}");
        }
        let mut cookie = headers(&all);
        cookie.remove("authorization");
        cookie.insert("cookie", format!("token={bare}").parse().unwrap());
        assert_eq!(door.act(&cookie), Err(Refusal::NoSession));
    }
}
