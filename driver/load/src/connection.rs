//! One HTTP/1.1 connection that carries one request at a time.
//!
//! Written for this engine: hyper's client, made for all uses, passes each request through two channels and a map of
//! headers, which took a quarter of what `wrk` needs for everything. Here the request is a text, and of the answer
//! remains what [`Answer`] keeps.

use std::{future::poll_fn, io, net::SocketAddr, time::Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Cause,
    answer::{Answer, Malformed},
    cause,
    flight::Stamps,
    request::Outgoing,
};

/// Room for what is read at once; a body passes through, a head must fit.
const ROOM: usize = 8 * 1024;

/// The longest head: as much as servers put up with, and more.
const LONGEST_HEAD: usize = 8 * ROOM;

/// An open connection. Dropping it closes the socket, also in the middle of an exchange.
pub(super) struct Connection {
    stream: TcpStream,
    room: Vec<u8>,
    reusable: bool,
}

/// A whole answer.
pub(super) struct Answered {
    pub(super) status: u16,
    /// Its beginning, where the request wants it kept; else empty.
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The connection had been closed while idle; the request never left and may go elsewhere.
    NotSent(Cause),
    /// The request left, or may have.
    Broken(Cause),
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            room: vec![0; ROOM],
            reusable: true,
        })
    }

    /// Sends the request and reads the answer to its end. What a server says before it has read the request is heard
    /// after.
    pub(super) async fn exchange(
        &mut self,
        request: &Outgoing,
        stamps: &mut Stamps,
    ) -> Result<Answered, Unanswered> {
        self.reusable = false;
        self.send(request.text.as_bytes(), stamps)
            .await
            .map_err(|error| {
                let cause = cause::of(&error, false);
                if stamps.written.is_some() {
                    Unanswered::Broken(cause)
                } else {
                    Unanswered::NotSent(cause)
                }
            })?;
        let answer = Answer::awaited(request.is_head, request.keeps);
        self.receive(answer, stamps)
            .await
            .map_err(|error| Unanswered::Broken(cause::of(&error, stamps.first_byte.is_some())))
    }

    async fn send(&mut self, request: &[u8], stamps: &mut Stamps) -> io::Result<()> {
        let length = self.stream.write(request).await?;
        stamps.written = Some(Instant::now());
        self.stream.write_all(&request[length..]).await
    }

    async fn receive(&mut self, mut answer: Answer, stamps: &mut Stamps) -> io::Result<Answered> {
        let mut kept = 0;
        loop {
            if kept == self.room.len() {
                self.make_room()?;
            }
            let length = self.stream.read(&mut self.room[kept..]).await?;
            let now = Instant::now();
            let filled = kept + length;
            if length == 0 {
                let ended = answer.end_of_stream();
                ended.map_err(|_| io::ErrorKind::UnexpectedEof)?;
            } else {
                stamps.first_byte.get_or_insert(now);
            }
            let done = answer.read(&self.room[..filled])?;
            self.room.copy_within(done..filled, 0);
            kept = filled - done;
            if let Some(status) = answer.status() {
                stamps.whole = Some(now);
                // More than was asked for is no answer to the next request.
                self.reusable = answer.keeps_open() && kept == 0;
                self.room.truncate(ROOM);
                self.room.shrink_to_fit();
                let body = answer.into_body();
                return Ok(Answered { status, body });
            }
        }
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.room.len() >= LONGEST_HEAD {
            return Err(Malformed.into());
        }
        self.room.resize(2 * self.room.len(), 0);
        Ok(())
    }

    /// False where the last exchange did not end well, or the other side is about to close it.
    pub(super) fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// True where the other side has closed it, or said what nobody asked for, as far as the event loop has seen.
    pub(super) fn is_spoilt(&self) -> bool {
        let seen = self.stream.try_read(&mut [0]);
        !seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits until it is, and takes nothing from it.
    pub(super) async fn spoilt(&self) {
        loop {
            // An error is the end, too.
            let _ = poll_fn(|cx| self.stream.poll_read_ready(cx)).await;
            if self.is_spoilt() {
                return;
            }
        }
    }
}

impl From<Malformed> for io::Error {
    fn from(_: Malformed) -> Self {
        cause::error(Cause::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{Shutdown, shutdown};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_the_kernel_did_not_take_was_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap())
            .await
            .unwrap();
        shutdown(&connection.stream, Shutdown::Write).unwrap();
        let request = Outgoing {
            text: "GET / HTTP/1.1\r\n\r\n".to_owned(),
            is_head: false,
            keeps: 0,
        };
        let mut stamps = Stamps::default();
        let answer = connection.exchange(&request, &mut stamps).await;
        assert!(matches!(answer, Err(Unanswered::NotSent(Cause::Reset))));
        assert!(stamps.written.is_none() && !connection.is_reusable());
    }
}
