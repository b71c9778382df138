//! One HTTP/1.1 connection that carries one request at a time.
//!
//! Written for this engine: hyper's client, made for all uses, passes each request through two channels and a map of
//! headers, which took a quarter of what `wrk` needs for everything. Here the request is a text, and of the answer
//! remains what [`Answer`] keeps.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{
    Cause,
    answer::{Answer, Malformed},
    cause,
    flight::Stamps,
    request::Outgoing,
    stream::Stream,
    tls::Tls,
};

/// Room for what is read at once; a body passes through, a head must fit.
const ROOM: usize = 8 * 1024;

/// The longest head: as much as servers put up with, and more.
const LONGEST_HEAD: usize = 8 * ROOM;

/// An open connection. Dropping it closes the socket, also in the middle of an exchange.
pub(super) struct Connection {
    stream: Stream,
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
    /// To an address, under TLS where that is how it is spoken with.
    pub(super) async fn open(address: SocketAddr, tls: Option<&Tls>) -> io::Result<Self> {
        Ok(Self {
            stream: Stream::open(address, tls).await?,
            room: vec![0; ROOM],
            reusable: true,
        })
    }

    /// Sends the request and reads the answer to its end. The server may give it before it has read the request; then
    /// no more is sent, and the connection carries nothing else (RFC 9112, sections 9.3 and 9.5).
    pub(super) async fn exchange(
        &mut self,
        request: &Outgoing,
        stamps: &mut Stamps,
    ) -> Result<Answered, Unanswered> {
        self.reusable = false;
        let unsent = self.send(request).await;
        let unsent = unsent.map_err(|error| Unanswered::NotSent(cause::of(&error, false)))?;
        // Where it is sent again, the first time counts: what came of that is the server's time.
        stamps.written.get_or_insert_with(Instant::now);
        let answer = Answer::awaited(request.is_head, request.keeps);
        self.receive(answer, unsent, stamps)
            .await
            .map_err(|error| Unanswered::Broken(cause::of(&error, stamps.first_byte.is_some())))
    }

    /// Hands the request to the kernel, as much as it takes at once: in general all of it.
    async fn send<'a>(&mut self, request: &'a Outgoing) -> io::Result<Unsent<'a>> {
        let text = request.text.as_bytes();
        let length = self.stream.write(text).await?;
        Ok(Unsent {
            text: &text[length..],
            content: request.content.as_deref().unwrap_or_default(),
            refused: None,
        })
    }

    async fn receive(
        &mut self,
        mut answer: Answer,
        mut unsent: Unsent<'_>,
        stamps: &mut Stamps,
    ) -> io::Result<Answered> {
        let mut kept = 0;
        loop {
            if kept == self.room.len() {
                self.make_room()?;
            }
            let length = self.read(kept, &mut unsent).await?;
            let now = Instant::now();
            let filled = kept + length;
            if length == 0 {
                let ended = answer.end_of_stream();
                ended.map_err(|_| unsent.refusal())?;
            } else {
                stamps.first_byte.get_or_insert(now);
            }
            let done = answer.read(&self.room[..filled])?;
            self.room.copy_within(done..filled, 0);
            kept = filled - done;
            if let Some(status) = answer.status() {
                stamps.whole = Some(now);
                // More than was asked for is no answer to the next request, nor is the rest of this one a request.
                self.reusable = answer.keeps_open() && kept == 0 && unsent.is_empty();
                self.room.truncate(ROOM);
                self.room.shrink_to_fit();
                let body = answer.into_body();
                return Ok(Answered { status, body });
            }
        }
    }

    /// Reads what there is into the room behind the `kept` bytes, and goes on sending as long as there is nothing.
    async fn read(&mut self, kept: usize, unsent: &mut Unsent<'_>) -> io::Result<usize> {
        let Self { stream, room, .. } = self;
        if unsent.is_empty() {
            return stream.read(&mut room[kept..]).await;
        }
        poll_fn(|cx| {
            // Whoever takes no more may have answered before, which is still there to be read.
            if unsent.refused.is_none()
                && let Poll::Ready(Err(error)) = unsent.poll_send(&mut *stream, cx)
            {
                unsent.refused = Some(error);
            }
            let mut room = ReadBuf::new(&mut room[kept..]);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut room))?;
            Poll::Ready(Ok(room.filled().len()))
        })
        .await
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
    pub(super) fn is_spoilt(&mut self) -> bool {
        self.stream.is_spoilt()
    }

    /// Waits until it is.
    pub(super) async fn spoilt(&mut self) {
        self.stream.spoilt().await;
    }

    /// How long the handshake of TLS took, where there was one.
    pub(super) fn handshake(&self) -> Option<Duration> {
        self.stream.handshake()
    }
}

/// What of a request the kernel has not taken yet.
struct Unsent<'a> {
    text: &'a [u8],
    content: &'a [u8],
    /// Why it takes no more.
    refused: Option<io::Error>,
}

impl Unsent<'_> {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.content.is_empty()
    }

    /// Why the stream ended too early: of a reset, the system tells whoever writes or whoever reads, and only once.
    fn refusal(&mut self) -> io::Error {
        let refused = self.refused.take();
        refused.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Hands it over to the last byte.
    fn poll_send(
        &mut self,
        mut stream: impl AsyncWrite + Unpin,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let next = if self.text.is_empty() {
                &mut self.content
            } else {
                &mut self.text
            };
            let length = ready!(Pin::new(&mut stream).poll_write(cx, next))?;
            *next = &next[length..];
        }
        Pin::new(&mut stream).poll_flush(cx)
    }
}

impl From<Malformed> for io::Error {
    fn from(_: Malformed) -> Self {
        cause::error(Cause::Malformed)
    }
}

#[cfg(test)]
mod tests;
