//! Whether a service reaches the others that it was told of, seen from inside: `GET /debug/peers`.
//!
//! Each look is a fresh one: the name is looked up anew, a new connection is opened, and the peer answers. A pool or
//! a client that is warm would tell what was so a while ago, and a cluster's name service may do the same: its caches
//! are what this is for.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use reqwest::Url;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// For each step of a look. A name service that knows the name needs milliseconds.
const STEP_WITHIN: Duration = Duration::from_secs(2);

/// What PostgreSQL is asked: whether it would encrypt. It answers with one letter, before it asks who we are; so no
/// connection of a role is taken for it.
const WOULD_YOU_ENCRYPT: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The peers of a service, by what it calls them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers(Arc<BTreeMap<&'static str, Peer>>);

/// Where a peer is, and what it speaks.
#[derive(Clone, Debug)]
enum Peer {
    Http { url: Url },
    Postgres { host: String, port: u16 },
    PostgresSocket(PathBuf),
}

/// What a look at a peer showed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Look {
    /// Where it was looked for.
    peer: String,
    #[serde(flatten)]
    found: Found,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Found {
    /// The address that answered.
    Reached(String),
    /// Which step failed, and how.
    Fails(String),
}

impl Peers {
    /// The `dep` at `url` among them.
    pub(crate) fn with_dep(self, url: &Url) -> Self {
        self.with("dep", Peer::Http { url: url.clone() })
    }

    /// The database among them.
    pub(crate) fn with_database(self, options: &PgConnectOptions) -> Self {
        let port = options.get_port();
        let peer = match options.get_socket() {
            Some(folder) => Peer::PostgresSocket(folder.join(format!(".s.PGSQL.{port}"))),
            None => Peer::Postgres {
                host: options.get_host().to_owned(),
                port,
            },
        };
        self.with("database", peer)
    }

    fn with(self, name: &'static str, peer: Peer) -> Self {
        let mut peers = BTreeMap::clone(&self.0);
        peers.insert(name, peer);
        Self(Arc::new(peers))
    }

    async fn look(&self) -> BTreeMap<&'static str, Look> {
        let mut looks = JoinSet::new();
        for (&name, peer) in self.0.iter() {
            let peer = peer.clone();
            looks.spawn(async move { (name, peer.look().await) });
        }
        looks.join_all().await.into_iter().collect()
    }
}

/// 200 where all answer, 503 where one does not; a JSON object with a member for each peer in both cases.
pub(crate) fn routes(peers: Peers) -> Router {
    Router::new()
        .route("/debug/peers", get(show))
        .with_state(peers)
}

async fn show(State(peers): State<Peers>) -> Response {
    let looks = peers.look().await;
    let all = looks
        .values()
        .all(|look| matches!(look.found, Found::Reached(_)));
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(looks)).into_response()
}

impl Peer {
    async fn look(&self) -> Look {
        let found = match self {
            Self::Http { url } => ask_http(url).await,
            Self::Postgres { host, port } => ask_postgres(host, *port).await,
            Self::PostgresSocket(path) => ask_postgres_socket(path).await,
        };
        Look {
            peer: self.place(),
            found: found.map_or_else(Found::Fails, Found::Reached),
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Http { url } => {
                let (host, port) = http_place(url);
                format!("{host}:{port}")
            }
            Self::Postgres { host, port } => format!("{host}:{port}"),
            Self::PostgresSocket(path) => path.display().to_string(),
        }
    }
}

fn http_place(url: &Url) -> (&str, u16) {
    let host = url.host_str().unwrap_or_default();
    // As an address is written between the colons of a URL.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (host, url.port_or_known_default().unwrap_or(80))
}

async fn ask_http(url: &Url) -> Result<String, String> {
    let (host, port) = http_place(url);
    let (_, address) = connect(host, port).await?;
    let healthz = url
        .join("healthz")
        .map_err(|error| format!("{url} has no /healthz: {error}"))?;
    // To the very address that was found.
    let client = reqwest::Client::builder()
        .no_proxy()
        .resolve(host, address)
        .timeout(STEP_WITHIN)
        .build()
        .map_err(|error| error.to_string())?;
    match client.get(healthz).send().await {
        Ok(answer) if answer.status().is_success() => Ok(address.to_string()),
        Ok(answer) => Err(format!("{address} answers {}", answer.status())),
        Err(error) if error.is_timeout() => Err(silent(&address.to_string())),
        Err(error) => Err(format!("{address} takes a connection, and then: {error}")),
    }
}

async fn ask_postgres(host: &str, port: u16) -> Result<String, String> {
    let (stream, address) = connect(host, port).await?;
    greet(stream, &address.to_string()).await
}

async fn ask_postgres_socket(path: &PathBuf) -> Result<String, String> {
    let place = path.display().to_string();
    let stream = UnixStream::connect(path)
        .await
        .map_err(|error| format!("{place} takes no connection: {error}"))?;
    greet(stream, &place).await
}

async fn greet(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    place: &str,
) -> Result<String, String> {
    let asked = async {
        stream.write_all(&WOULD_YOU_ENCRYPT).await?;
        stream.read_u8().await
    };
    match timeout(STEP_WITHIN, asked).await {
        Ok(Ok(b'S' | b'N')) => Ok(place.to_owned()),
        Ok(Ok(_)) => Err(format!("what answers at {place} is no PostgreSQL")),
        Ok(Err(error)) => Err(format!("{place} takes a connection, and then: {error}")),
        Err(_) => Err(silent(place)),
    }
}

/// A connection to the first address of `host` that takes one.
async fn connect(host: &str, port: u16) -> Result<(TcpStream, SocketAddr), String> {
    let found = timeout(STEP_WITHIN, lookup_host((host, port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(format!("the name {host} is not found: {error}")),
        Err(_) => return Err(format!("the look-up of the name {host} gets no answer")),
    };
    let mut last = format!("the name {host} has no address");
    for address in addresses {
        match timeout(STEP_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => last = refused(host, address, &error),
            Err(_) => last = format!("{host} is {address}, where nothing answers"),
        }
    }
    Err(last)
}

fn refused(host: &str, address: SocketAddr, error: &io::Error) -> String {
    format!("{host} is {address}, which takes no connection: {error}")
}

fn silent(place: &str) -> String {
    format!("{place} takes a connection and gives no answer")
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use tokio::net::TcpListener;

    use super::*;

    /// A server that says `words` to whoever has said something.
    async fn saying(words: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut heard = [0; 1024];
                    while let Ok(1..) = stream.read(&mut heard).await {
                        if stream.write_all(words).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    /// An address at which nobody listens any more.
    async fn deserted() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    fn dep(place: &str) -> Peers {
        Peers::default().with_dep(&Url::parse(&format!("http://{place}/")).unwrap())
    }

    fn database(place: &str) -> Peers {
        let url = format!("postgres://api:secret@{place}/lab");
        Peers::default().with_database(&PgConnectOptions::from_str(&url).unwrap())
    }

    async fn found(peers: Peers) -> Found {
        let looks = peers.look().await;
        assert_eq!(looks.len(), 1);
        looks.into_values().next().unwrap().found
    }

    fn fails(found: Found) -> String {
        match found {
            Found::Fails(why) => why,
            Found::Reached(place) => panic!("{place} was reached"),
        }
    }

    const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn peers_that_answer_are_reached_by_name_and_by_address() {
        let address = saying(FINE).await;
        let port = address.port();
        for place in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
            assert_eq!(
                found(dep(&place)).await,
                Found::Reached(address.to_string()),
                "{place}"
            );
        }
        for letter in [b"N", b"S"] {
            let address = saying(letter).await;
            let looked = found(database(&address.to_string())).await;
            assert_eq!(looked, Found::Reached(address.to_string()));
        }
    }

    #[tokio::test]
    async fn each_step_that_fails_is_told_apart() {
        let unknown = fails(found(dep("no-such-name.invalid:8082")).await);
        assert!(unknown.contains("no-such-name.invalid"), "{unknown}");
        assert!(unknown.contains("name"), "{unknown}");

        let deserted = deserted().await.to_string();
        for peers in [dep(&deserted), database(&deserted)] {
            let why = fails(found(peers).await);
            assert!(why.contains("takes no connection"), "{why}");
        }
        let sick = saying(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").await;
        let why = fails(found(dep(&sick.to_string())).await);
        assert!(why.contains("answers 500"), "{why}");

        let mute = saying(b"").await.to_string();
        let why = fails(found(database(&mute)).await);
        assert!(why.contains("gives no answer"), "{why}");

        let other = saying(FINE).await.to_string();
        let why = fails(found(database(&other)).await);
        assert!(why.contains("no PostgreSQL"), "{why}");
    }

    #[tokio::test]
    async fn one_peer_that_fails_is_named_beside_those_that_answer() {
        let (well, ill) = (saying(FINE).await, deserted().await);
        let url = format!("postgres://api:secret@{ill}/lab");
        let peers = dep(&well.to_string()).with_database(&url.parse().unwrap());
        let answer = show(State(peers)).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = axum::body::to_bytes(answer.into_body(), 4096)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["dep"]["reached"], well.to_string());
        assert_eq!(body["database"]["peer"], ill.to_string());
        assert!(body["database"]["fails"].is_string(), "{body}");
        assert!(!body.to_string().contains("secret"), "{body}");

        assert_eq!(
            show(State(dep(&well.to_string()))).await.status(),
            StatusCode::OK
        );
    }
}
