//! What `DATABASE_URL` says, read as libpq reads it: `postgres://…` or `keyword=value …` (PostgreSQL's manual, 34.1.1,
//! "Connection Strings"). What would change how a session behaves, or needs what is not there, is refused by its name and
//! never passed over. No message shows a value but that of `sslmode`: others may be secret.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use reqwest::Url;
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

/// For a server to take a connection and let us in, where `connect_timeout` says nothing else.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Why `DATABASE_URL` is of no use. None of it tells a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConninfoError {
    /// It is of something else, or of nothing.
    #[error("is no URL of a PostgreSQL server (postgres://user:password@host/database)")]
    OfSomethingElse,
    /// It can't be read.
    #[error("can't be read: {0}")]
    Malformed(&'static str),
    /// libpq knows no such parameter.
    #[error("has a parameter that PostgreSQL's libpq doesn't know, `{0}`")]
    Unknown(String),
    /// A parameter with a value that is none.
    #[error("has no {what} in its parameter `{name}`")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What its value should be.
        what: &'static str,
    },
    /// It asks for TLS.
    #[error(
        "asks for TLS ({0}), which this program doesn't speak: let something else end the TLS, as \
         `ssh -L 5433:localhost:5432 HOST` does for localhost:5433, and write sslmode=disable"
    )]
    Tls(String),
    /// A parameter that libpq has and a run can't have.
    #[error("has the parameter `{name}`: {why}")]
    Refused {
        /// The parameter.
        name: String,
        /// Why not, and what to do.
        why: &'static str,
    },
}

/// A server, a database on it, and who connects.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Conninfo {
    /// A name, an address, or the folder of a socket; none for the system's usual socket, else localhost.
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
    /// How long a connection may take; none for as long as it does.
    pub(super) within: Option<Duration>,
}

impl Conninfo {
    /// Reads `text`.
    pub(super) fn parse(text: &str) -> Result<Self, ConninfoError> {
        let scheme = ["postgresql://", "postgres://"];
        let parameters = match scheme.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => of_uri(rest)?,
            None => of_keywords(text)?,
        };
        Self::of(parameters)
    }

    /// The same for another user.
    pub(super) fn by(self, user: &str, password: &str) -> Self {
        Self {
            user: Some(user.to_owned()),
            password: Some(password.to_owned()),
            ..self
        }
    }

    /// The same for another database. A password that `~/.pgpass` has for the first one is that of this user.
    pub(super) fn on(mut self, database: &str) -> Result<Self, ConninfoError> {
        if self.password.is_none() {
            self.password = password_from_file(&self.url())?;
        }
        self.database = Some(database.to_owned());
        Ok(self)
    }

    /// As a URL that says all of it in parameters, where everything can be escaped.
    pub(super) fn url(&self) -> String {
        let mut url = Url::parse("postgres:///").expect("it is one");
        let port = self.port.map(|port| port.to_string());
        let parameters = [
            ("host", &self.host),
            ("port", &port),
            ("user", &self.user),
            ("password", &self.password),
            ("dbname", &self.database),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url.query_pairs_mut().append_pair("sslmode", "disable");
        url.into()
    }

    fn of(mut parameters: Parameters) -> Result<Self, ConninfoError> {
        // To libpq a parameter without a value is as one that is not there.
        parameters.retain(|_, value| !value.is_empty());
        refuse_tls(&parameters)?;
        let mut found = Self {
            within: Some(CONNECT_WITHIN),
            ..Self::default()
        };
        let mut address = None;
        for (name, value) in parameters {
            match name.as_str() {
                "host" => found.host = Some(one(value, "host")?),
                "hostaddr" => {
                    let parsed: Result<std::net::IpAddr, _> = one(value, "hostaddr")?.parse();
                    let bad = |_| not("hostaddr", "IP address");
                    address = Some(parsed.map_err(bad)?.to_string());
                }
                "port" => {
                    let port = one(value, "port")?.parse().ok().filter(|port| *port > 0);
                    found.port = Some(port.ok_or(not("port", "number from 1 to 65535"))?);
                }
                "user" => found.user = Some(value),
                "password" => found.password = Some(value),
                "dbname" => found.database = Some(value),
                "connect_timeout" => found.within = seconds(&value)?,
                _ => allowed(name, &value)?,
            }
        }
        // As in libpq: the address is where the connection goes, the name is what it is called.
        found.host = address.or(found.host);
        Ok(found)
    }
}

/// The password that the library finds in `~/.pgpass` for `url`, which has none.
fn password_from_file(url: &str) -> Result<Option<String>, ConninfoError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| ConninfoError::OfSomethingElse)?;
    // The library tells of it in a URL only, which it can't write for every user and host.
    let url = options.username("me").host("localhost").to_url_lossy();
    url.password().map(decode).transpose()
}

/// Parameters by name; of two of a name the last counts, as in libpq.
type Parameters = BTreeMap<String, String>;

fn not(name: &'static str, what: &'static str) -> ConninfoError {
    ConninfoError::Value { name, what }
}

/// libpq tries several in turn; a run is on one.
fn one(value: String, name: &str) -> Result<String, ConninfoError> {
    if value.contains(',') {
        let why = "a run is on one server, and this names several; leave one";
        let name = name.to_owned();
        return Err(ConninfoError::Refused { name, why });
    }
    Ok(value)
}

/// libpq waits without end for 0 and less.
fn seconds(value: &str) -> Result<Option<Duration>, ConninfoError> {
    let seconds: i32 =
        (value.trim().parse()).map_err(|_| not("connect_timeout", "whole number of seconds"))?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    Ok(seconds.map(Duration::from_secs))
}

/// Refuses what asks for TLS; what merely prefers it goes without, as libpq does with a server that has none.
fn refuse_tls(parameters: &Parameters) -> Result<(), ConninfoError> {
    let value = |name: &str| parameters.get(name).map(String::as_str);
    match value("sslmode") {
        // Whatever else is said of TLS has no effect then.
        Some("disable") => return Ok(()),
        None | Some("allow" | "prefer") => {}
        Some(mode @ ("require" | "verify-ca" | "verify-full")) => {
            return Err(ConninfoError::Tls(format!("sslmode={mode}")));
        }
        Some(_) => return Err(not("sslmode", "mode that libpq knows")),
    }
    let asks = [
        ("sslrootcert", None),
        ("sslcert", None),
        ("sslkey", None),
        ("sslnegotiation", Some("direct")),
        ("sslcertmode", Some("require")),
        ("requiressl", Some("1")),
        ("ssl", Some("true")),
        ("gssencmode", Some("require")),
        ("channel_binding", Some("require")),
    ];
    let asked = asks.iter().find(|(name, only)| {
        value(name).is_some_and(|value| only.is_none_or(|only| only == value))
    });
    asked.map_or(Ok(()), |(name, only)| {
        let text = only.map_or((*name).to_owned(), |only| format!("{name}={only}"));
        Err(ConninfoError::Tls(text))
    })
}

/// Parameters that change nothing here: how a connection is kept alive, what it is called, details of the TLS that it
/// does without.
const WITHOUT_EFFECT: [&str; 23] = [
    "application_name",
    "fallback_application_name",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "load_balance_hosts",
    "channel_binding",
    "gssencmode",
    "ssl",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "requiressl",
];

fn allowed(name: String, value: &str) -> Result<(), ConninfoError> {
    let why = match (name.as_str(), value) {
        ("sslrootcert" | "sslcert" | "sslkey", _) => return Ok(()),
        (known, _) if WITHOUT_EFFECT.contains(&known) => return Ok(()),
        ("client_encoding", "auto" | "UTF8" | "utf8" | "UTF-8" | "utf-8")
        | ("target_session_attrs", "any" | "read-write" | "primary")
        | ("replication", "false" | "off" | "no" | "0") => return Ok(()),
        ("options", _) => "a setting of a session would change what is measured; leave it out",
        ("service" | "servicefile", _) => "write here what the service file says of the server",
        ("passfile", _) => "give the password here, or in ~/.pgpass",
        ("client_encoding", _) => "a run speaks UTF-8; leave it out",
        ("target_session_attrs", _) => {
            "a run writes; name a server that lets it, and leave this out"
        }
        ("replication", _) => "a run makes queries; leave it out",
        (
            "require_auth"
            | "requirepeer"
            | "krbsrvname"
            | "gsslib"
            | "gssdelegation"
            | "min_protocol_version"
            | "max_protocol_version"
            | "scram_client_key"
            | "scram_server_key",
            _,
        ) => "this program can't see to that; leave it out",
        ("oauth_issuer" | "oauth_client_id" | "oauth_client_secret" | "oauth_scope", _) => {
            "this program knows passwords only; leave it out"
        }
        _ => return Err(ConninfoError::Unknown(name)),
    };
    Err(ConninfoError::Refused { name, why })
}

/// What follows the scheme: `[user[:password]@][host][:port][/database][?name=value&…]`.
fn of_uri(rest: &str) -> Result<Parameters, ConninfoError> {
    let mut parameters = Parameters::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            parameters.insert(name.to_owned(), decode(value)?);
        }
        Ok(())
    };
    // Before any slash, and up to the first: a slash or an `@` of a password is escaped.
    let credentials = rest
        .find(['@', '/'])
        .filter(|at| rest[*at..].starts_with('@'));
    let rest = match credentials {
        Some(at) => {
            let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
            put("user", user)?;
            put("password", password)?;
            &rest[at + 1..]
        }
        None => rest,
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, database) = place.split_once('/').unwrap_or((place, ""));
    put("dbname", database)?;
    let (host, port) = host_and_port(server)?;
    put("host", host)?;
    put("port", port)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, value)| !name.is_empty() && !value.contains('='))
            .ok_or(ConninfoError::Malformed(
                "a parameter after the `?` is not `name=value`; write %3D for a `=` in one",
            ))?;
        parameters.insert(decode(name)?, decode(value)?);
    }
    Ok(parameters)
}

/// An address of IPv6 is in brackets, since it has colons of its own.
fn host_and_port(server: &str) -> Result<(&str, &str), ConninfoError> {
    if let Some(rest) = server.strip_prefix('[') {
        let open = ConninfoError::Malformed("the `[` of its host is not closed by a `]`");
        let (host, rest) = rest.split_once(']').ok_or(open)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if rest.is_empty() => Ok((host, "")),
            None => Err(ConninfoError::Malformed(
                "between the `]` of its host and what follows there is something",
            )),
        };
    }
    if server.contains(',') {
        return Ok((server, ""));
    }
    Ok(server.split_once(':').unwrap_or((server, "")))
}

/// Replaces each %XX. A `+` is a plus.
fn decode(text: &str) -> Result<String, ConninfoError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let escaped = digit()
                .zip(digit())
                .map(|(high, low)| (high * 16 + low) as u8);
            escaped
                .filter(|byte| *byte != 0)
                .ok_or(ConninfoError::Malformed(
                    "after a `%` two hexadecimal digits are missing; write %25 for a `%`",
                ))?
        } else {
            byte
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| ConninfoError::Malformed("what it escapes is not UTF-8"))
}

fn is_keyword(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

/// `keyword = value …`; a value with blanks is in single quotes, and a backslash takes the next character as it is.
fn of_keywords(text: &str) -> Result<Parameters, ConninfoError> {
    let mut parameters = Parameters::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_keyword(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let value = after
            .trim_start()
            .strip_prefix('=')
            .filter(|_| !name.is_empty());
        let (value, after) = value_of(value.ok_or(ConninfoError::OfSomethingElse)?.trim_start())?;
        parameters.insert(name.to_owned(), value);
        rest = after.trim_start();
    }
    if parameters.is_empty() {
        return Err(ConninfoError::OfSomethingElse);
    }
    Ok(parameters)
}

/// The value that `text` starts with, and what follows it.
fn value_of(text: &str) -> Result<(String, &str), ConninfoError> {
    let (quoted, text) = text
        .strip_prefix('\'')
        .map_or((false, text), |rest| (true, rest));
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        match rest.next() {
            Some('\\') => value.extend(rest.next()),
            Some('\'') if quoted => return Ok((value, rest.as_str())),
            Some(c) if !quoted && c.is_ascii_whitespace() => return Ok((value, before)),
            Some(c) => value.push(c),
            None if quoted => {
                return Err(ConninfoError::Malformed(
                    "a value's `'` is not closed by another",
                ));
            }
            None => return Ok((value, before)),
        }
    }
}

/// Without the password.
impl std::fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {:?}", self.database, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, port, user, password and database, `-` where there is none.
    fn read(text: &str) -> String {
        let found = Conninfo::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let port = found.port.map(|port| port.to_string());
        [found.host, port, found.user, found.password, found.database]
            .map(|part| part.unwrap_or_else(|| "-".to_owned()))
            .join(" ")
    }

    fn refused(text: &str) -> String {
        Conninfo::parse(text).unwrap_err().to_string()
    }

    /// As `psql` reads them: see `\conninfo`.
    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        for (url, is) in [
            ("postgres://", "- - - - -"),
            ("postgresql://localhost", "localhost - - - -"),
            (
                "postgresql://me:secret@db.example:5433/mine",
                "db.example 5433 me secret mine",
            ),
            (
                "postgres:///mine?host=/var/run/postgresql",
                "/var/run/postgresql - - - mine",
            ),
            (
                "postgres://me@/mine?host=/tmp&port=5433",
                "/tmp 5433 me - mine",
            ),
            (
                "postgres://%2Fvar%2Frun%2Fa.b/mine",
                "/var/run/a.b - - - mine",
            ),
            ("postgres://me@:5433/", "- 5433 me - -"),
            (
                "postgres://me:a%40b%2Fc%25+d@h/a%20b",
                "h - me a@b/c%+d a b",
            ),
            ("postgres://[::1]:5433/mine", "::1 5433 - - mine"),
            ("postgres://[fe80::1]", "fe80::1 - - - -"),
            (
                "postgres://h?user=me&password=a+b&dbname=x%26y",
                "h - me a+b x&y",
            ),
            (
                "postgres://h/one?dbname=two&sslmode=prefer&application_name=x",
                "h - - - two",
            ),
            ("postgres://h?hostaddr=::1", "::1 - - - -"),
            ("postgres://h/?sslmode=disable&sslrootcert=/x", "h - - - -"),
            ("host=/tmp dbname=mine", "/tmp - - - mine"),
            (
                "  host = h  port=5433 user=me password='a b\\'c\\\\' ",
                "h 5433 me a b'c\\ -",
            ),
            ("dbname=a\\ b", "- - - - a b"),
        ] {
            assert_eq!(read(url), is, "{url}");
        }
    }

    #[test]
    fn what_a_run_can_t_have_is_named_and_no_secret_told() {
        for (url, says) in [
            ("", "no URL of a PostgreSQL server"),
            ("secret", "no URL of a PostgreSQL server"),
            ("mysql://me:secret@h/x?a=b", "no URL of a PostgreSQL server"),
            ("Postgres://me:secret@h", "no URL of a PostgreSQL server"),
            (
                "postgres://me:secret@h?sslmode=require",
                "TLS (sslmode=require)",
            ),
            ("postgres://me:secret@h?sslmode=verify-full", "ssh -L"),
            ("postgres://me:secret@h?sslmode=secret", "`sslmode`"),
            ("postgres://me:secret@h?sslcert=/x", "TLS (sslcert)"),
            (
                "postgres://me:secret@h?channel_binding=require",
                "TLS (channel_binding=require)",
            ),
            (
                "postgres://me:secret@a,b/x",
                "`host`: a run is on one server",
            ),
            ("postgres://me:secret@h:54x", "`port`"),
            ("postgres://me:secret@h:0", "`port`"),
            ("postgres://me:secret@[::1/x", "not closed"),
            ("postgres://me:secret@[::1]x", "between"),
            ("postgres://me:secret%zz@h", "%25"),
            ("postgres://me:secret@h?a", "name=value"),
            ("postgres://me:secret@h?port=1=2", "name=value"),
            (
                "postgres://me:secret@h?options=-c%20x%3D1",
                "`options`: a setting",
            ),
            ("postgres://me:secret@h?service=secret", "service file"),
            (
                "postgres://me:secret@h?target_session_attrs=standby",
                "a run writes",
            ),
            ("postgres://me:secret@h?no_such=secret", "`no_such`"),
            ("host=h password='secret", "not closed"),
            (
                "host=h password=secret sslmode=require",
                "TLS (sslmode=require)",
            ),
        ] {
            let error = refused(url);
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn all_of_it_stands_in_the_url_for_the_services() {
        let server = Conninfo::parse("postgres://me:a&b@[::1]:5433/mine").unwrap();
        let own = server.on("lab_1").unwrap().by("lab_1", "p+ä %");
        assert_eq!(
            own.url(),
            "postgres:///?host=%3A%3A1&port=5433&user=lab_1&password=p%2B%C3%A4+%25&dbname=lab_1&sslmode=disable"
        );
        assert!(!format!("{own:?}").contains('ä'));
    }
}
