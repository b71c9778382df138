//! A TCP stream that notes when a request really left and when its answer really began.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Two of the four stamps of the request that a connection is serving.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    written: Cell<Option<Instant>>,
    first_byte: Cell<Option<Instant>>,
}

impl Stamps {
    /// A new request begins.
    pub(super) fn clear(&self) {
        self.written.set(None);
        self.first_byte.set(None);
    }

    /// When the kernel had taken the first bytes of the request.
    pub(super) fn written(&self) -> Option<Instant> {
        self.written.get()
    }

    /// When the first bytes of the answer were read.
    pub(super) fn first_byte(&self) -> Option<Instant> {
        self.first_byte.get()
    }

    fn note_write(&self) {
        if self.written.get().is_none() {
            self.written.set(Some(Instant::now()));
        }
    }

    fn note_read(&self) {
        if self.written.get().is_some() && self.first_byte.get().is_none() {
            self.first_byte.set(Some(Instant::now()));
        }
    }
}

/// The stream beneath a connection.
pub(super) struct Wire {
    stream: TokioIo<TcpStream>,
    stamps: Rc<Stamps>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, stamps: Rc<Stamps>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            stamps,
        }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.stamps.note_read();
        }
        read
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.stamps.note_write();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.stamps.note_write();
        }
        written
    }
}
