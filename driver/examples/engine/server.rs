//! What all are measured against: a server that answers at once, in a process of its own.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::Context;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lab_say::say;
use tokio::net::{TcpListener, TcpSocket};

/// The CPU of a server that keeps apart, and that which it leaves to senders.
const OWN_CPU: &str = "1";
pub(crate) const SENDERS_CPU: &str = "0";

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Its address, as `127.0.0.1:41234`.
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_as("server")
    }

    /// One of the processes of this program that serve.
    pub(crate) fn start_as(process: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(process)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        let stdout = child.stdout.take().context("piped above")?;
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self {
            child,
            address: address.trim().to_owned(),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Moves it to a CPU of its own, where the system lets two be chosen; whether that was so.
    pub(crate) fn keep_apart(&self) -> bool {
        let taskset = |args: &[&str]| {
            let mut command = Command::new("taskset");
            command
                .args(args)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let id = self.child.id().to_string();
        taskset(&["-c", SENDERS_CPU, "true"]) && taskset(&["-p", "-c", OWN_CPU, &id])
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does this with a listener, on one thread, until standard input ends.
pub(crate) fn run(
    serve: impl AsyncFnOnce(TcpListener) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        serve(socket.listen(1024)?).await
    })
}

/// The `server` process: answers every request at once.
pub(crate) fn serve() -> anyhow::Result<()> {
    run(async |listener: TcpListener| {
        say!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answer =
                service_fn(|_| async { Ok::<_, Infallible>(Response::new("ok".to_owned())) });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    })
}
