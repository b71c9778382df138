//! A server that is told to leave, and callers whose list of addresses is 200 ms behind: gone at once, a drain alone, and a
//! pause before it.
#![allow(
    clippy::disallowed_macros,
    reason = "a program of a page, which is read as it runs"
)]

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, interval, sleep},
};

/// How long a call takes.
const WORK: Duration = Duration::from_millis(30);

/// When the server is told to leave, and when callers have heard of it.
const TOLD: Duration = Duration::from_millis(200);
const HEARD: Duration = Duration::from_millis(400);

// ANCHOR: show
/// Serves until it is told to leave; then for `pause` longer, and at last those who are there, if it is to `drain`.
async fn serve(listener: TcpListener, pause: Duration, drain: bool) {
    let mut calls = JoinSet::new();
    let end = sleep(TOLD + pause);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            Ok((caller, _)) = listener.accept() => calls.spawn(answer(caller)),
        };
    }
    // The port is closed here, and what is under way breaks off where nobody waits for it.
    drop(listener);
    if drain {
        while calls.join_next().await.is_some() {}
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (nothing, list) = (Duration::ZERO, Duration::from_millis(300));
    report("gone at once", nothing, false).await;
    report("a drain alone", nothing, true).await;
    report("a pause, then a drain", list, true).await;
}
// ANCHOR_END: show

async fn report(name: &str, pause: Duration, drain: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = tokio::spawn(serve(listener, pause, drain));
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    let mut every = interval(Duration::from_millis(20));
    while begun.elapsed() < HEARD {
        every.tick().await;
        calls.spawn(call(address));
    }
    let answers = calls.join_all().await;
    let broken = answers.iter().filter(|answer| answer.is_err()).count();
    println!("{name}: {broken} of {} calls broke", answers.len());
    server.await.expect("it does not panic");
}

async fn call(address: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(address).await?;
    server.write_all(b"?").await?;
    server.read_exact(&mut [0]).await?;
    Ok(())
}

async fn answer(mut caller: TcpStream) {
    let mut question = [0];
    if caller.read_exact(&mut question).await.is_ok() {
        sleep(WORK).await;
        // The caller may have gone.
        let _ = caller.write_all(b"!").await;
    }
}
