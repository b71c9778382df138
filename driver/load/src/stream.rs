//! The bytes of a connection, plain or under TLS.
//!
//! Which of the two is a branch at each call and no pointer to a function: the plain way costs what it did.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::tls::{Secured, Tls};

pub(super) enum Stream {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

impl Stream {
    /// Connects and, where there is TLS, ends its handshake.
    pub(super) async fn open(address: SocketAddr, tls: Option<&Tls>) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(match tls {
            None => Self::Plain(stream),
            Some(tls) => Self::Secured(Box::new(tls.secure(stream).await?)),
        })
    }

    /// How long the handshake of TLS took, where there was one.
    pub(super) fn handshake(&self) -> Option<Duration> {
        match self {
            Self::Plain(_) => None,
            Self::Secured(stream) => Some(stream.handshake()),
        }
    }

    /// True where the other side has closed it, or said what nobody asked for, as far as the event loop has seen.
    pub(super) fn is_spoilt(&mut self) -> bool {
        match self {
            Self::Plain(stream) => has_word(stream),
            Self::Secured(stream) => {
                let nobody = &mut Context::from_waker(Waker::noop());
                poll_word(stream, nobody).is_ready()
            }
        }
    }

    /// Waits until it is.
    pub(super) async fn spoilt(&mut self) {
        match self {
            Self::Plain(stream) => loop {
                // An error is the end, too.
                let _ = poll_fn(|cx| stream.poll_read_ready(cx)).await;
                if has_word(stream) {
                    return;
                }
            },
            Self::Secured(stream) => poll_fn(|cx| poll_word(stream, cx)).await,
        }
    }
}

/// The same as [`poll_word`] of a plain one, as far as the event loop has seen.
fn has_word(stream: &TcpStream) -> bool {
    let seen = stream.try_read(&mut [0]);
    !seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// A byte of an idle connection under TLS, or its end. What the protocol itself says then, as the tickets after a
/// handshake (RFC 8446, section 4.6), is taken in and is neither.
fn poll_word(stream: &mut Secured, cx: &mut Context<'_>) -> Poll<()> {
    let mut byte = [0];
    let read = Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
    read.map(drop)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, room),
            Self::Secured(stream) => Pin::new(stream).poll_read(cx, room),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secured(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
