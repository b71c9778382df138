//! Binds, says where, serves those whom [`access`] lets in, and ends in order: on a signal within [`GRACE`], or at once with
//! the parent.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::serve::ListenerExt;
use clap::Args;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::access::{self, Hosts};
use crate::refusal::refusal;

/// Connections that may wait to be accepted. A smaller backlog drops SYNs in a burst, which shows as a false second of latency.
const BACKLOG: u32 = 1024;

/// How long requests under way may take to end after a signal.
const GRACE: Duration = Duration::from_millis(1500);

/// Where the service listens and when it ends.
#[derive(Args, Debug)]
pub struct ListenArgs {
    /// Address to listen on; port 0 picks a free one. [default: 127.0.0.1 and the port of the service]
    #[arg(long, env = "LAB_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// End at once when standard input reaches its end, that is, when the process that started this one is gone.
    #[arg(long, env = "LAB_EXIT_WITH_PARENT")]
    pub exit_with_parent: bool,
    /// Names to answer to besides IP addresses and localhost, with commas between them; `*` is any. A web page can make
    /// a name of its own lead here, so allow any only where no browser comes.
    #[arg(
        long,
        env = "LAB_ALLOWED_HOSTS",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub allowed_hosts: Vec<String>,
}

/// Serves `app` until a signal asks to end, on `default_port` where no address is given.
pub(crate) async fn serve(args: &ListenArgs, default_port: u16, app: Router) -> Result<()> {
    let address = args
        .listen
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], default_port)));
    let mut signals = Signals::new()?;
    let listener = bind(address).with_context(|| {
        format!("cannot listen on {address}. Stop what uses it, or choose another address with --listen (port 0 picks a free one)")
    })?;
    if args.exit_with_parent {
        std::thread::spawn(exit_with_parent);
    }
    announce(listener.local_addr()?);

    let (ask_to_end, asked_to_end) = oneshot::channel::<()>();
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let app = app
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(
            Hosts::new(&args.allowed_hosts),
            access::check,
        ));
    let serving =
        axum::serve(listener, app).with_graceful_shutdown(async { drop(asked_to_end.await) });
    let ending = async {
        signals.any().await;
        tracing::info!("signal received, ending");
        drop(ask_to_end);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving => ended.context("the HTTP server failed"),
        () = ending => {
            tracing::warn!("requests are still under way after {GRACE:?}, ending anyway");
            Ok(())
        }
    }
}

async fn no_such_path(uri: Uri) -> Response {
    let path = uri.path();
    refusal(StatusCode::NOT_FOUND, format!("there is no {path} here"))
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} takes no {method}"),
    )
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The one line on stdout, by which whoever started the service learns its port. Nobody may be reading.
fn announce(address: SocketAddr) {
    let mut stdout = std::io::stdout();
    drop(writeln!(stdout, "listening {address}").and_then(|()| stdout.flush()));
    tracing::info!(%address, "listening");
}

/// Blocks until standard input ends, which happens even when the parent is killed.
fn exit_with_parent() {
    let mut ignored = [0; 256];
    let mut stdin = std::io::stdin();
    while let Ok(1..) = stdin.read(&mut ignored) {}
    // What a case has started must not stay, either. Where this process does not lead its group, others are in it.
    if rustix::process::getpgrp() == rustix::process::getpid() {
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::KILL);
    }
    std::process::exit(0);
}

/// The signals that ask a service to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen_for = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen_for(SignalKind::terminate())?,
            interrupt: listen_for(SignalKind::interrupt())?,
            hangup: listen_for(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
