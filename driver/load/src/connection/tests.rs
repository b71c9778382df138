use std::time::Instant;

use proptest::{prelude::*, test_runner::TestRunner};
use rustix::net::{Shutdown, shutdown};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::oneshot,
    time::timeout,
};

use super::*;
use crate::answer::tests::{Seen, seen, streams};

/// An exchange on this machine that lasts longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

fn outgoing(content: usize, is_head: bool) -> Outgoing {
    Outgoing {
        text: format!("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: {content}\r\n\r\n"),
        content: (content > 0).then(|| vec![b'x'; content].into()),
        is_head,
        is_idempotent: true,
        keeps: 0,
    }
}

#[tokio::test]
async fn what_the_kernel_did_not_take_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = Connection::open(listener.local_addr().unwrap(), None)
        .await
        .unwrap();
    let Stream::Plain(stream) = &connection.stream else {
        panic!("nobody asked for TLS");
    };
    shutdown(stream, Shutdown::Write).unwrap();
    let mut stamps = Stamps::default();
    let answer = connection.exchange(&outgoing(0, false), &mut stamps).await;
    assert!(matches!(answer, Err(Unanswered::NotSent(Cause::Reset))));
    assert!(stamps.written.is_none() && !connection.is_reusable());
}

/// What a server does when it has said all that it says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// Closes its side, and reads on to the end of the request.
    Reads,
    /// Closes its side, and reads no more.
    Waits,
    /// Goes away, with which the system may throw away what the client has not read yet.
    Leaves,
}

/// An answer that may come while the request is still being sent.
#[derive(Debug)]
struct Early {
    content: usize,
    /// Of the request, in thousandths, before anything is said.
    read: usize,
    stream: Vec<u8>,
    /// In pieces of so many bytes.
    length: usize,
    then: Then,
    is_head: bool,
}

/// Bodies of which the kernels hold all, or not nearly.
const CONTENTS: [usize; 4] = [0, 100, 200_000, 16 << 20];

fn early() -> impl Strategy<Value = Early> {
    let content = prop::sample::select(&CONTENTS[..]);
    let then = prop::sample::select(&[Then::Reads, Then::Waits, Then::Leaves][..]);
    let all = (
        content,
        0_usize..=1000,
        streams(),
        1_usize..60,
        then,
        any::<bool>(),
    );
    all.prop_map(|(content, read, stream, length, then, is_head)| Early {
        content,
        read,
        stream,
        length,
        then,
        is_head,
    })
}

/// The server's side, until the client has gone.
async fn answer(
    listener: &TcpListener,
    early: &Early,
    length: usize,
    client_gone: oneshot::Receiver<()>,
) {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    read(&mut stream, length * early.read / 1000).await;
    for piece in early.stream.chunks(early.length) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    if early.then == Then::Leaves {
        return;
    }
    // A client that has seen enough may be gone.
    let _ = stream.shutdown().await;
    if early.then == Then::Reads {
        read(&mut stream, usize::MAX).await;
    }
    let _ = client_gone.await;
}

/// Reads so much, or all that comes.
async fn read(stream: &mut TcpStream, mut bytes: usize) {
    let mut room = vec![0; 1 << 16];
    while bytes > 0 {
        let most = bytes.min(room.len());
        match stream.read(&mut room[..most]).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes -= length,
        }
    }
}

/// However much of the request has left, the answer is the one that came, or none where none came.
async fn is_taken_as_it_came(early: &Early) -> Result<(), TestCaseError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = outgoing(early.content, early.is_head);
    let (gone, client_gone) = oneshot::channel();
    let length = request.text.len() + early.content;
    let client = async {
        let address = listener.local_addr().unwrap();
        let mut connection = Connection::open(address, None).await.unwrap();
        let mut stamps = Stamps::default();
        let answer = connection.exchange(&request, &mut stamps).await;
        let reusable = connection.is_reusable();
        drop((connection, gone));
        (answer.map(|answer| answer.status).ok(), reusable)
    };
    let both = async { tokio::join!(client, answer(&listener, early, length, client_gone)) };
    let done = timeout(PATIENCE, both).await;
    prop_assert!(done.is_ok(), "it hangs: {early:?}");
    let ((status, reusable), ()) = done.unwrap();
    let (whole, keeps) = match seen(early.is_head, [early.stream.as_slice()]) {
        // What is left may come when the answer has been taken, and spoils the connection then.
        Seen::Whole {
            status, keeps_open, ..
        } => (Some(status), keeps_open),
        Seen::Partial | Seen::Malformed => (None, false),
    };
    if early.then != Then::Leaves || status.is_some() {
        prop_assert_eq!(status, whole, "{:?}", early);
    }
    prop_assert!(keeps || !reusable, "{early:?}");
    Ok(())
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_answer_is_taken_however_much_of_the_request_has_left(early in early()) {
        runtime().block_on(is_taken_as_it_came(&early))?;
    }
}

/// The same for as long as one likes, on one thread; see the test of this name of what answers are read with.
#[test]
#[ignore = "lasts as long as FUZZ_SECONDS says"]
fn for_as_long_as_is_wished() {
    let seconds = std::env::var("FUZZ_SECONDS").expect("FUZZ_SECONDS says for how long");
    let seconds = seconds.parse().expect("FUZZ_SECONDS is a whole number");
    let ends = Instant::now() + Duration::from_secs(seconds);
    let runtime = runtime();
    while Instant::now() < ends {
        let rounds = TestRunner::default().run(&early(), |early| {
            runtime.block_on(is_taken_as_it_came(&early))
        });
        rounds.unwrap();
    }
}
