//! Connections: how many, and how long one may take to say what it wants and to take what it gets.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Sleep, sleep},
};
use tower::ServiceExt;

use super::seats::{Seat, Seats, Taken};

/// For the head of a request, and for an idle connection until it is closed.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Who takes nothing of an answer for so long gets no more of it.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// For who never shows the session, however busy. What was asked for until then is still answered.
const STRANGERS_FOR: Duration = Duration::from_mins(5);
/// The head of a request. A page on another port can have the browser send all the cookies of this
/// machine along, some 180 of 4 KiB: they must not keep the owner out.
const LARGEST_HEAD: usize = 1024 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens there, though a server that has just ended may have connections left.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers on `listener` for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    let seats = Seats::open();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, most likely.
            seats.make_room();
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let place = seats.take().await;
        tokio::spawn(attend(stream, place, app.clone(), STRANGERS_FOR));
    }
}

async fn attend(stream: TcpStream, place: Taken, app: Router, strangers_for: Duration) {
    let _ = stream.set_nodelay(true);
    let seat = &place.seat;
    let service = service_fn(async |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(seat));
        seat.waits(true);
        let answer = app.clone().oneshot(request).await;
        seat.waits(false);
        answer
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(Line::new(stream, Arc::clone(seat))), service)
    );
    tokio::select! {
        // A connection that breaks is its client's affair.
        _ = served.as_mut() => return,
        () = seat.ousted() => return,
        () = overstays(seat, strangers_for) => {}
    }
    // A page that is just being read is a stranger's, too, as far as its files go: one that was cut off in the middle would
    // stay without its script.
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = served => {}
        () = seat.ousted() => {}
        () = sleep(TAKES_WITHIN) => seat.oust(),
    }
}

/// Ends when a stranger has been here for too long.
async fn overstays(seat: &Seat, strangers_for: Duration) {
    sleep(strangers_for).await;
    if seat.is_known() {
        std::future::pending::<()>().await;
    }
}

/// A connection that notes when bytes move, and breaks where none are taken for too long.
struct Line {
    stream: TcpStream,
    seat: Arc<Seat>,
    /// Runs while the other side takes nothing.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Line {
    fn new(stream: TcpStream, seat: Arc<Seat>) -> Self {
        Self {
            stream,
            seat,
            patience: None,
        }
    }

    /// The outcome of a write, or the end of patience.
    fn taken<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.seat.moved();
            self.patience = None;
            return written;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(TAKES_WITHIN)));
        ready!(patience.as_mut().poll(context));
        self.seat.oust();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.seat.is_ousted() {
            // Nobody takes what is still to be sent: the kernel need not keep it either.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        self.seat.moved();
        Poll::Ready(read)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.taken(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.taken(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use futures_util::stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PIECE: &[u8] = &[b'#'; 1000];

    #[tokio::test]
    async fn a_stranger_whose_time_is_up_gets_what_it_has_asked_for_and_no_more() {
        let strangers_for = Duration::from_millis(100);
        // Sent in two pieces, the second when the stay is over.
        let slow = move || async move {
            let pieces = stream::iter([Duration::ZERO, 5 * strangers_for]);
            Body::from_stream(futures_util::StreamExt::then(pieces, async |wait| {
                sleep(wait).await;
                Ok::<_, io::Error>(PIECE)
            }))
        };
        let app = Router::new().route("/", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let place = Seats::open().take().await;
        tokio::spawn(attend(stream, place, app, strangers_for));

        let request = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // It ends: the connection is not kept for another request.
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"\r\n0\r\n\r\n"), "cut off");
        let received = String::from_utf8_lossy(&answer).matches('#').count();
        assert_eq!(received, 2 * PIECE.len());
    }
}
