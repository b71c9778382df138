//! A connection under TLS.

use std::{
    cmp::Ordering,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, ProtocolVersion, client::Resumption, crypto::ring, pki_types::ServerName,
    },
};

use super::{
    TlsError, TlsOptions, refusal,
    verify::{self, Own},
};

/// The only protocol that the engine speaks, as ALPN calls it (RFC 7301, section 6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// A server that turns a client down says so within a round trip after the handshake. On the same machine that is no
/// time at all, which a busy one may multiply.
const ADMITTED_WITHIN: Duration = Duration::from_millis(300);

/// How to speak TLS with a target. Two are the same where one is a clone of the other.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    connector: TlsConnector,
    name: ServerName<'static>,
    checks: String,
}

impl Tls {
    /// To a target of this name or address, which its certificate must be for.
    ///
    /// Each handshake is a whole one: a connection stands for a client that the server has not seen before, and tickets
    /// of other connections (RFC 8446, section 2.2) would make it cheaper than it is.
    pub fn new(name: &str, options: &TlsOptions) -> Result<Self, TlsError> {
        let other = |error: &dyn fmt::Display| TlsError::Other(error.to_string());
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::Other(format!("no certificate can be for `{name}`")))?;
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| other(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verify::server(options, provider)?);
        let mut config = match verify::own(options)? {
            Some(Own { file, chain, key }) => {
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|error| TlsError::File {
                    flag: "--cert",
                    path: file,
                    problem: format!("it can't be used with its key: {error}"),
                })?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(Inner {
            connector: Arc::new(config).into(),
            name: server,
            checks: verify::checks(options),
        })))
    }

    /// What becomes of a target's certificate, for people.
    pub fn checks(&self) -> &str {
        &self.0.checks
    }

    /// The handshake.
    pub(crate) async fn secure(&self, stream: TcpStream) -> io::Result<Secured> {
        let begun = Instant::now();
        let connected = self.0.connector.connect(self.0.name.clone(), stream);
        let stream = connected.await.map_err(|error| self.refused(error))?;
        Ok(Secured {
            stream,
            handshake: begun.elapsed(),
        })
    }

    /// Waits for as long as a server needs to turn a client down: since TLS 1.3 the client's side of the handshake is
    /// done before the server has seen its certificate, or that it has none (RFC 8446, section 4.4.2.4).
    pub(crate) async fn admitted(&self, secured: &mut Secured) -> io::Result<()> {
        let (_, session) = secured.stream.get_ref();
        if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Ok(());
        }
        let within = ADMITTED_WITHIN.max(3 * secured.handshake);
        match timeout(within, secured.stream.read(&mut [0])).await {
            Ok(Err(error)) => Err(self.refused(error)),
            // One that closes what nobody uses has the right to.
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    fn refused(&self, error: io::Error) -> io::Error {
        refusal::explain(error, &self.0.name.to_str())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({}, {})", self.0.name.to_str(), self.0.checks)
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl PartialOrd for Tls {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Tls {
    fn cmp(&self, other: &Self) -> Ordering {
        Arc::as_ptr(&self.0).cmp(&Arc::as_ptr(&other.0))
    }
}

/// A connection whose handshake is done.
pub(crate) struct Secured {
    stream: TlsStream<TcpStream>,
    handshake: Duration,
}

impl Secured {
    /// How long the handshake took.
    pub(crate) fn handshake(&self) -> Duration {
        self.handshake
    }
}

impl AsyncRead for Secured {
    /// What was written and did not fit into the socket goes first: nothing is read of who still waits for it. An end of
    /// the stream without a word of it from the other side is an error, since anybody could have cut it off there
    /// (RFC 9112, section 9.8).
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stream.get_ref().1.wants_write() {
            // Pending or not, what there is can be read; an error will be that of reading, too.
            let _ = Pin::new(&mut self.stream).poll_flush(cx);
        }
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
