//! The way of the driver's own requests to services that it can't ask itself, or not at the very address that the load
//! goes to: a port of this machine, from which they are passed on. It leads where this run has said and nowhere else, and only for those who know its secret path.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use lab_load::{Ask, Asker, Endpoint, Reply};
use lab_remote::Line;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::secret;

/// The open port. It closes when this is dropped.
pub(super) struct Gateway {
    addr: SocketAddr,
    ways: Arc<Ways>,
    _end: DropGuard,
}

/// Who asks in the driver's place.
pub(super) enum Asks {
    /// A load pod.
    Pod(Line),
    /// The load engine's own client, which goes to the address it is told and speaks TLS there.
    Engine(Asker),
}

impl Asks {
    async fn ask(&self, ask: Ask) -> Result<Reply, String> {
        match self {
            Self::Pod(line) => line.ask(ask).await,
            Self::Engine(asker) => asker.ask(&ask).await.map_err(|error| error.to_string()),
        }
    }
}

/// What lies behind it.
struct Ways {
    secret: String,
    asks: Asks,
    /// Where the path `/<secret>/<n>` leads.
    endpoints: Mutex<Vec<Endpoint>>,
}

impl Gateway {
    /// Opens the port.
    pub(super) async fn open(asks: Asks) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let ways = Arc::new(Ways {
            secret: secret::password()?,
            asks,
            endpoints: Mutex::default(),
        });
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(listen(
            listener,
            Arc::clone(&ways),
            end.clone(),
        )));
        Ok(Self {
            addr,
            ways,
            _end: end.drop_guard(),
        })
    }

    /// The way to an endpoint, the same each time.
    pub(super) fn to(&self, endpoint: &Endpoint) -> Endpoint {
        let mut endpoints = self.ways.endpoints();
        let known = endpoints.iter().position(|known| known == endpoint);
        let n = known.unwrap_or_else(|| {
            endpoints.push(endpoint.clone());
            endpoints.len() - 1
        });
        Endpoint::behind(self.addr, &format!("/{}/{n}", self.ways.secret))
    }
}

async fn listen(listener: TcpListener, ways: Arc<Ways>, end: CancellationToken) {
    loop {
        // Out of files for a moment: whoever asks gives up by himself.
        let Ok((connection, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let ways = Arc::clone(&ways);
        let service = service_fn(move |request| answer(Arc::clone(&ways), request));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
        tokio::spawn(end.clone().run_until_cancelled_owned(serving));
    }
}

async fn answer(
    ways: Arc<Ways>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match ways.pass_on(request).await {
        Ok((status, body)) => (status, body.into()),
        Err((status, text)) => (status, Bytes::from(text)),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

impl Ways {
    fn endpoints(&self) -> MutexGuard<'_, Vec<Endpoint>> {
        self.endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a path leads, and the rest of it.
    fn way(&self, path: &str) -> Option<(Endpoint, String)> {
        let path = path.strip_prefix('/')?.strip_prefix(&self.secret)?;
        let (n, rest) = path.strip_prefix('/')?.split_once('/')?;
        let endpoint = self.endpoints().get(n.parse::<usize>().ok()?)?.clone();
        Some((endpoint, format!("/{rest}")))
    }

    async fn pass_on(
        &self,
        request: Request<Incoming>,
    ) -> Result<(StatusCode, Vec<u8>), (StatusCode, String)> {
        let path = request.uri().path_and_query();
        let way = path.and_then(|path| self.way(path.as_str()));
        let (to, path) = way.ok_or((StatusCode::NOT_FOUND, String::new()))?;
        let method = request.method().to_string();
        let unreadable = |_| {
            (
                StatusCode::BAD_REQUEST,
                "no body that can be read".to_owned(),
            )
        };
        let body = request.into_body().collect().await.map_err(unreadable)?;
        let body = String::from_utf8(body.to_bytes().to_vec());
        let body = body.map_err(|_| (StatusCode::BAD_REQUEST, "a body must be text".to_owned()))?;
        let ask = Ask {
            to,
            method,
            path,
            body: Some(body).filter(|body| !body.is_empty()),
        };
        let bad_gateway = |why| (StatusCode::BAD_GATEWAY, why);
        let reply = self.asks.ask(ask).await.map_err(bad_gateway)?;
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
        Ok((status, reply.body))
    }
}
