//! The few requests of a run that are not load: looks at metrics, orders to a service. They go over connections of
//! their own, so that none waits for the load nor the load for them.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use http::Method;
use serde::{Deserialize, Serialize};

use super::{
    Cause, Endpoint,
    connection::{Connection, Unanswered},
    flight::Stamps,
    request::Outgoing,
};

/// The longest body of an answer, this much is an error: far above a ledger of a run, so that no stranger's service fills the memory.
const LONGEST_BODY: usize = 32 << 20;

/// Idle connections that are kept to each server.
const KEPT: usize = 8;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Where to.
    pub to: Endpoint,
    /// Method, in capitals.
    pub method: String,
    /// Path and query, below the endpoint's own.
    pub path: String,
    /// JSON body.
    pub body: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its whole body.
    pub body: Vec<u8>,
}

/// Asks, any number of requests at a time.
#[derive(Default)]
pub struct Asker {
    idle: Mutex<BTreeMap<SocketAddr, Vec<Connection>>>,
}

impl Asker {
    /// Asks once. Who wants no answer any more drops the future, which closes the connection.
    pub async fn ask(&self, ask: &Ask) -> io::Result<Reply> {
        let request = outgoing(ask)?;
        let address = ask.to.addr();
        while let Some(connection) = self.rested(address) {
            let mut stamps = Stamps::default();
            let answer = self.exchange(connection, address, &request, &mut stamps);
            let answer = answer.await;
            match answer {
                // It had been closed while it rested.
                Err(Unanswered::NotSent(_)) => {}
                // Or as the request left, which may be sent again, once and over a new one (RFC 9110, section 9.2.2).
                Err(_) if request.is_idempotent && stamps.first_byte.is_none() => break,
                answer => return answer.map_err(Into::into),
            }
        }
        let fresh = Connection::open(address, ask.to.tls()).await?;
        let stamps = &mut Stamps::default();
        Ok(self.exchange(fresh, address, &request, stamps).await?)
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        address: SocketAddr,
        request: &Outgoing,
        stamps: &mut Stamps,
    ) -> Result<Reply, Unanswered> {
        let answer = connection.exchange(request, stamps).await?;
        if connection.is_reusable() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = idle.entry(address).or_default();
            if idle.len() < KEPT {
                idle.push(connection);
            }
        }
        if answer.body.len() == LONGEST_BODY {
            return Err(Unanswered::Broken(Cause::Other));
        }
        Ok(Reply {
            status: answer.status,
            body: answer.body,
        })
    }

    /// A connection that is still good, as far as one can tell.
    fn rested(&self, address: SocketAddr) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.get_mut(&address)?;
        std::iter::from_fn(|| idle.pop())
            .find_map(|mut connection| (!connection.is_spoilt()).then_some(connection))
    }
}

fn outgoing(ask: &Ask) -> io::Result<Outgoing> {
    let method: Method = ask.method.parse().map_err(io::Error::other)?;
    let (base, host) = (ask.to.base(), ask.to.host());
    let line = format!("{method} {base}{} HTTP/1.1\r\nhost: {host}\r\n", ask.path);
    let text = match &ask.body {
        Some(body) => {
            let length = body.len();
            format!(
                "{line}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        }
        None if method == Method::GET || method == Method::HEAD => format!("{line}\r\n"),
        None => format!("{line}content-length: 0\r\n\r\n"),
    };
    Ok(Outgoing {
        text,
        content: None,
        is_head: method == Method::HEAD,
        is_idempotent: method.is_idempotent(),
        keeps: LONGEST_BODY,
    })
}

impl From<Unanswered> for io::Error {
    fn from(unanswered: Unanswered) -> Self {
        let text = match unanswered {
            Unanswered::NotSent(_) => "the connection was closed before the request had left",
            Unanswered::Broken(_) => "the connection broke before the answer was whole",
        };
        Self::new(io::ErrorKind::ConnectionReset, text)
    }
}
