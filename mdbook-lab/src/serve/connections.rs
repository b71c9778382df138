//! Connections: how many, and how long one may take to say what it wants.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};

/// Connections at once; more wait in the kernel.
const AT_ONCE: usize = 256;
/// For the head of a request, and for an idle connection until it is closed.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The head of a request.
const LARGEST_HEAD: usize = 32 * 1024;

/// Answers on `listener` for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, most likely: it passes when connections close.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            // A connection that breaks is its client's affair.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(LARGEST_HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(seat);
        });
    }
}
