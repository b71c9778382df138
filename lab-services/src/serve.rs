//! Binds, says where, serves those whom [`access`] lets in, and ends in order: on a signal within [`GRACE`], or as its owner
//! says ([`serve_until_left`]), or at once with the parent.

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
use tokio::sync::watch;

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

/// The way in to a service: open at first, then closing, and shut when the last connection has ended. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door(watch::Sender<State>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum State {
    Open,
    Closing,
    Shut,
}

impl Default for Door {
    fn default() -> Self {
        Self(watch::Sender::new(State::Open))
    }
}

impl Door {
    /// Takes no new connections, ends each that is there after the request under way on it, and waits until all have.
    pub(crate) async fn close(&self) {
        self.go_on_to(State::Closing);
        self.is(State::Shut).await;
    }

    fn go_on_to(&self, state: State) {
        self.0.send_if_modified(|now| {
            let goes_on = *now < state;
            if goes_on {
                *now = state;
            }
            goes_on
        });
    }

    /// Waits until it has got so far.
    async fn is(&self, state: State) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|now| *now >= state).await;
    }
}

/// Serves `app` until a signal asks to end, on `default_port` where no address is given.
pub(crate) async fn serve(args: &ListenArgs, default_port: u16, app: Router) -> Result<()> {
    let door = Door::default();
    let leave = {
        let door = door.clone();
        async move {
            if tokio::time::timeout(GRACE, door.close()).await.is_err() {
                tracing::warn!("requests are still under way after {GRACE:?}, ending anyway");
            }
        }
    };
    serve_until_left(args, default_port, app, door, leave).await
}

/// Serves `app` behind `door` until a signal asks to end and then `leave` has returned: what is still under way then breaks
/// off.
pub(crate) async fn serve_until_left(
    args: &ListenArgs,
    default_port: u16,
    app: Router,
    door: Door,
    leave: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
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

    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let app = app
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(
            Hosts::new(&args.allowed_hosts),
            access::check,
        ));
    let closing = door.clone();
    let serving = axum::serve(listener, app)
        .with_graceful_shutdown(async move { closing.is(State::Closing).await });
    let served = async {
        serving.await.context("the HTTP server failed")?;
        door.go_on_to(State::Shut);
        // The end is not here, but where `leave` returns.
        std::future::pending().await
    };
    let leaving = async {
        signals.any().await;
        tracing::info!("signal received, ending");
        // A task of its own: whoever blocks in it keeps no one else from being served.
        if let Err(error) = tokio::spawn(leave).await {
            tracing::error!("{error}");
        }
    };
    tokio::select! {
        failed = served => failed,
        () = leaving => Ok(()),
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
