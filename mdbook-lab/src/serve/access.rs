//! Who may ask for what. Reading needs our own `Host`; acting, and following what happens, needs
//! the session's cookie and a request that comes from one of our own pages.
//!
//! A browser on this machine also shows pages of strangers. Such a page can send requests here, and
//! with a name of its own that resolves to 127.0.0.1 it could even read the answers. Everything
//! below is against that.

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::secret::{Secret, Ticket};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules for one server, with its secrets.
pub(crate) struct Door {
    port: u16,
    session: Secret,
    ticket: Ticket,
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
    /// No cookie of this session.
    #[error("to run commands from the page, open the link that `make book` printed last")]
    NoSession,
    /// The link has been used, or was never good.
    #[error(
        "this link was used already or is of an earlier start; \
         open the link that `make book` printed last"
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
    /// The rules for a server on `port`, with fresh secrets.
    pub(crate) fn new(port: u16) -> Result<Self, getrandom::Error> {
        Ok(Self {
            port,
            session: Secret::random()?,
            ticket: Ticket::new()?,
        })
    }

    /// The link that opens the guide with the right to run things; it is good once.
    pub(crate) fn link(&self) -> String {
        format!(
            "http://127.0.0.1:{}/?token={}",
            self.port,
            self.ticket.current()
        )
    }

    /// Takes the secret of the link and gives the cookie for it.
    pub(crate) fn enter(&self, token: &str) -> Result<String, Refusal> {
        if !self.ticket.redeem(token) {
            return Err(Refusal::StaleLink);
        }
        Ok(format!(
            "{}={}; Path=/; HttpOnly; SameSite=Strict",
            self.cookie_name(),
            self.session.reveal()
        ))
    }

    /// For every route: the request was meant for this server.
    pub(crate) fn host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = only(headers, &header::HOST).ok_or(Refusal::ForeignHost)?;
        let meant = uri.authority().is_none_or(|named| named.as_str() == host);
        if meant && self.is_ours(host) {
            Ok(())
        } else {
            Err(Refusal::ForeignHost)
        }
    }

    /// For what only our pages may see.
    pub(crate) fn follow(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        same_site(headers)?;
        self.session(headers)
    }

    /// For what acts.
    pub(crate) fn act(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let origin = only(headers, &header::ORIGIN)
            .and_then(|origin| origin.strip_prefix("http://"))
            .ok_or(Refusal::ForeignOrigin)?;
        // Of our names only the one the request itself was sent to.
        if !self.is_ours(origin) || only(headers, &header::HOST) != Some(origin) {
            return Err(Refusal::ForeignOrigin);
        }
        same_site(headers)?;
        self.session(headers)?;
        json(headers)
    }

    /// Whether the request carries this session's cookie.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let name = self.cookie_name();
        let known = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(key, value)| key == name && self.session.is(value));
        if known {
            Ok(())
        } else {
            Err(Refusal::NoSession)
        }
    }

    /// Cookies know no ports: two guides side by side need two names.
    fn cookie_name(&self) -> String {
        format!("lab-guide-{}", self.port)
    }

    fn is_ours(&self, host: &str) -> bool {
        host.rsplit_once(':').is_some_and(|(name, port)| {
            matches!(name, "127.0.0.1" | "localhost") && port == self.port.to_string()
        })
    }
}

/// Browsers that tell where a request comes from must say: from the same origin.
fn same_site(headers: &HeaderMap) -> Result<(), Refusal> {
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

fn json(headers: &HeaderMap) -> Result<(), Refusal> {
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

    fn host(value: &str) -> Result<(), Refusal> {
        let door = Door::new(3000).unwrap();
        door.host(&Uri::from_static("/"), &headers(&[("host", value)]))
    }

    #[test]
    fn only_our_hosts_with_our_port_are_ours() {
        for ours in ["127.0.0.1:3000", "localhost:3000"] {
            assert_eq!(host(ours), Ok(()), "{ours}");
        }
        for foreign in [
            "evil.example:3000",
            "127.0.0.1",
            "127.0.0.1:3001",
            "127.0.0.1:03000",
            "localhost.evil.example:3000",
            "LOCALHOST:3000",
            "[::1]:3000",
            "",
        ] {
            assert_eq!(host(foreign), Err(Refusal::ForeignHost), "{foreign}");
        }
    }

    #[test]
    fn acting_needs_origin_site_session_and_json() {
        let door = Door::new(3000).unwrap();
        let cookie = door.enter(&door.ticket.current()).unwrap();
        let cookie = cookie.split(';').next().unwrap();
        let all = [
            ("host", "127.0.0.1:3000"),
            ("origin", "http://127.0.0.1:3000"),
            ("sec-fetch-site", "same-origin"),
            ("cookie", cookie),
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
            ("cookie", "lab-guide-3000=guess", Refusal::NoSession),
            ("content-type", "text/plain", Refusal::NotJson),
        ] {
            let mut changed = headers(&all);
            changed.insert(name, value.parse().unwrap());
            assert_eq!(door.act(&changed), Err(refusal), "{name}: {value}");
        }
        let mut doubled = headers(&all);
        doubled.append("origin", "http://127.0.0.1:3000".parse().unwrap());
        assert_eq!(door.act(&doubled), Err(Refusal::ForeignOrigin));
    }
}
