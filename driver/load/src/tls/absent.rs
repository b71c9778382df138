//! No TLS: types without values in place of those of [`super::secured`].

use std::{
    future::Ready,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{TlsError, TlsOptions};

/// How to speak TLS with a target: not at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tls {}

impl Tls {
    /// Says how to get a driver that can.
    pub fn new(_: &str, _: &TlsOptions) -> Result<Self, TlsError> {
        Err(TlsError::Absent)
    }

    /// What becomes of a target's certificate, for people.
    pub fn checks(&self) -> &str {
        match *self {}
    }

    pub(crate) fn secure(&self, _: TcpStream) -> Ready<io::Result<Secured>> {
        match *self {}
    }

    pub(crate) fn admitted(&self, _: &mut Secured) -> Ready<io::Result<()>> {
        match *self {}
    }
}

/// Whether an error is one of TLS.
pub fn is_tls(_: &io::Error) -> bool {
    false
}

pub(crate) enum Secured {}

impl Secured {
    pub(crate) fn handshake(&self) -> Duration {
        match *self {}
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
