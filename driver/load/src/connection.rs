//! One HTTP/1 connection that carries one request at a time.

use std::{io, net::SocketAddr, rc::Rc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{self, SendRequest},
};
use tokio::{
    net::TcpStream,
    task::{JoinHandle, spawn_local},
};

use super::wire::{Stamps, Wire};

/// A request ready to go; boxed, because the tasks that carry one are made and moved by the thousand.
pub(super) type Outgoing = Box<Request<Full<Bytes>>>;

/// An open connection. Dropping it closes the socket, also in the middle of an exchange.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    stamps: Rc<Stamps>,
    task: JoinHandle<()>,
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The connection had been closed while idle; the request never left and may go elsewhere.
    NotSent(Outgoing),
    /// The request left, or may have.
    Broken,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stamps = Rc::new(Stamps::default());
        let (sender, connection) = http1::Builder::new()
            .writev(false)
            .handshake(Wire::new(stream, Rc::clone(&stamps)))
            .await
            .map_err(io::Error::other)?;
        let task = spawn_local(async move {
            // A failure also reaches the request in flight, which is where it counts.
            let _ = connection.await;
        });
        let mut connection = Self {
            sender,
            stamps,
            task,
        };
        connection.ready().await.map_err(io::Error::other)?;
        Ok(connection)
    }

    /// Sends the request and reads the answer to its end.
    pub(super) async fn exchange(&mut self, request: Outgoing) -> Result<StatusCode, Unanswered> {
        let response = match self.sender.try_send_request(*request).await {
            Ok(response) => response,
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(request) => Unanswered::NotSent(Box::new(request)),
                    None => Unanswered::Broken,
                });
            }
        };
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Unanswered::Broken)?;
        }
        Ok(status)
    }

    /// Waits until the next request can be sent; fails where the other side has closed.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        self.sender.ready().await
    }

    /// False where the other side has closed it.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// The stamps of the request that it carries.
    pub(super) fn stamps(&self) -> &Rc<Stamps> {
        &self.stamps
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
