use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// How it ended, and how many bytes were its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Whole {
        status: u16,
        keeps_open: bool,
        left: usize,
    },
    Partial,
    Malformed,
}

/// What is seen of a stream that comes in these pieces and then ends.
pub(crate) fn seen<'a>(to_head: bool, pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut answer = Answer::awaited(to_head, 0);
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        match answer.read(&kept) {
            Ok(done) => drop(kept.drain(..done)),
            Err(Malformed) => return Seen::Malformed,
        }
    }
    if answer.status().is_none() && answer.end_of_stream().is_err() {
        return Seen::Partial;
    }
    Seen::Whole {
        status: answer.status().unwrap(),
        keeps_open: answer.keeps_open(),
        left: kept.len(),
    }
}

fn of(text: &str) -> Seen {
    seen(false, [text.as_bytes()])
}

fn whole(status: u16, keeps_open: bool) -> Seen {
    Seen::Whole {
        status,
        keeps_open,
        left: 0,
    }
}

#[test]
fn an_answer_ends_where_its_length_says() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(of(text), whole(200, true));
    assert_eq!(of(&text[..text.len() - 1]), Seen::Partial);
    let more = Seen::Whole {
        status: 200,
        keeps_open: true,
        left: 4,
    };
    assert_eq!(of(&format!("{text}HTTP")), more);
}

#[test]
fn chunks_end_with_the_trailer() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n\
                5;name=value\r\nhello\r\n1\r\n!\r\n0\r\nsum: 7\r\n\r\n";
    assert_eq!(of(text), whole(200, true));
    assert_eq!(of(&text[..text.len() - 2]), Seen::Partial);
    assert_eq!(
        of(&text.replace("hello\r\n", "hello!\r\n")),
        Seen::Malformed
    );
    assert_eq!(of(&text.replace("\n1\r", "\ng\r")), Seen::Malformed);
    assert_eq!(of(&text.replace("\n0\r", "\n\r")), Seen::Malformed);
    assert_eq!(of(&text.replace("/1.1", "/1.0")), Seen::Malformed);
}

#[test]
fn the_data_of_a_chunk_is_not_taken_for_the_end_of_its_line() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let with = |chunks: &str| of(&format!("{head}{chunks}"));
    assert_eq!(with("1\r\n\r\n0\r\n\r\n"), whole(200, true));
    assert_eq!(with("1\r\n\r\r\n0\r\n\r\n"), whole(200, true));
    assert_eq!(with("1\n\n\n0\n\n"), whole(200, true));
    assert_eq!(with("1\r\n\r\n\r\n0\r\n\r\n"), Seen::Malformed);
}

#[test]
fn without_a_length_it_lasts_to_the_end_of_the_stream() {
    assert_eq!(of("HTTP/1.1 200 OK\r\n\r\nhello"), whole(200, false));
    let gzip = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello";
    assert_eq!(of(gzip), whole(200, false));
    assert_eq!(of("HTTP/1.1 200 OK\r\n"), Seen::Partial);
    assert_eq!(of(""), Seen::Partial);
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(seen(true, [text.as_bytes()]), whole(200, true));
    assert_eq!(of(text), Seen::Partial);
    assert_eq!(of(&text.replace("200", "304")), whole(304, true));
    let twice = "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\ncontent-length: 1\r\n\r\n";
    assert_eq!(of(twice), whole(204, true));
}

#[test]
fn what_is_said_before_the_answer_is_not_the_answer() {
    let text =
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(of(text), whole(503, true));
    assert_eq!(
        of("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        Seen::Malformed
    );
}

#[test]
fn a_connection_stays_open_as_version_and_fields_say() {
    let keeps_open = |head: &str| of(&format!("{head}\r\ncontent-length: 0\r\n\r\n"));
    assert_eq!(keeps_open("HTTP/1.1 200 OK"), whole(200, true));
    assert_eq!(keeps_open("HTTP/1.0 200 OK"), whole(200, false));
    assert_eq!(
        keeps_open("HTTP/1.1 200 OK\r\nConnection: x, Close"),
        whole(200, false)
    );
    assert_eq!(
        keeps_open("HTTP/1.0 200 OK\r\nconnection: Keep-Alive"),
        whole(200, true)
    );
    assert_eq!(
        keeps_open("HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive"),
        whole(200, false)
    );
    let both =
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(of(both), whole(200, false));
}

#[test]
fn lengths_that_are_none_are_refused() {
    let with = |length: &str| of(&format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\n0"));
    assert_eq!(with("content-length: +1"), Seen::Malformed);
    assert_eq!(with("content-length: "), Seen::Malformed);
    assert_eq!(
        with("content-length: 1\r\ncontent-length: 2"),
        Seen::Malformed
    );
    assert_eq!(
        with("content-length: 99999999999999999999999"),
        Seen::Malformed
    );
    assert_eq!(
        with("content-length: 1\r\ncontent-length: 1"),
        whole(200, true)
    );
    assert_eq!(with("content-length: 18446744073709551615"), Seen::Partial);
    assert_eq!(with("content-length: 1, 1"), whole(200, true));
    assert_eq!(with("content-length: 1, 2"), Seen::Malformed);
    assert_eq!(with("content-length: 1\r\n 2"), Seen::Malformed);
}

#[test]
fn a_folded_line_is_one_line() {
    let with = |line: &str| of(&format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n0\r\n\r\n"));
    let chunked = "transfer-encoding: gzip,\r\n\tchunked";
    assert_eq!(with(chunked), whole(200, true));
    assert_eq!(
        with(&format!("{chunked}\r\nconnection: x,\r\n close")),
        whole(200, false)
    );
    assert_eq!(with("content-length:\r\n 5"), whole(200, true));
    // What is folded onto the status line is no field.
    assert_eq!(
        with(" content-length: 1\r\ncontent-length: 5"),
        whole(200, true)
    );
}

#[test]
fn a_head_has_as_many_lines_as_it_has() {
    let lines = "set-cookie: a=b\r\n".repeat(USUAL_FIELDS + 1);
    let text = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
    assert_eq!(of(&text), whole(200, true));
    assert_eq!(of(&text[..text.len() - 10]), Seen::Partial);
}

#[test]
fn a_trailer_may_say_anything() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    for trailer in ["", "a: b\r\n", "a:\r\n b\r\n", "(odd)\r\n", "a: b\n"] {
        assert_eq!(
            of(&format!("{head}{trailer}\r\n")),
            whole(200, true),
            "{trailer:?}"
        );
        assert_eq!(
            of(&format!("{head}{trailer}")),
            Seen::Partial,
            "{trailer:?}"
        );
    }
}

/// A client that knows nothing of us, as lenient as we are, given the same stream: the status, where it took the answer
/// for whole.
fn as_hyper_sees_it(to_head: bool, stream: &[u8]) -> Option<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) = http1::Builder::new()
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .max_headers(1000)
            .handshake(TokioIo::new(near))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let method = if to_head { Method::HEAD } else { Method::GET };
        let request = Request::builder().method(method).header("host", "x");
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap());
        let serve = async {
            let _ = far.read(&mut [0; 1024]).await;
            let _ = far.write_all(stream).await;
            drop(far);
            Ok::<_, Infallible>(())
        };
        let (response, _) = tokio::join!(response, serve);
        let response = response.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await;
        connection.abort();
        body.is_ok().then_some(status)
    })
}

/// The stream as hyper wants it: the lines around chunks end with CRLF, where a lone LF is enough for us, and a trailer has
/// no fields, at which we don't look.
fn strictly(to_head: bool, stream: &[u8]) -> Vec<u8> {
    let mut answer = Answer::awaited(to_head, 0);
    let (mut kept, mut strict) = (Vec::new(), Vec::new());
    for byte in stream {
        let is_framing = matches!(answer.next, Next::ChunkSize | Next::ChunkEnd);
        if is_framing && *byte == b'\n' && kept.last() != Some(&b'\r') {
            strict.push(b'\r');
        }
        strict.push(*byte);
        kept.push(*byte);
        let done = answer.read(&kept).unwrap_or_default();
        kept.drain(..done);
        if answer.next == Next::Trailer {
            strict.extend(b"\r\n");
            break;
        }
    }
    strict
}

/// Streams that are answers, nearly.
pub(crate) fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "HTTP/1\\.[01] (200|204|304|404|100|103|503) [A-Za-z ]{0,8}\r\n",
        "(content-length|Content-Length): [0-9]{1,2}\r\n",
        "transfer-encoding: (|chunked|gzip|gzip, chunked|gzip,\r\n chunked)\r\n",
        "content-length ?:(\r\n)? [0-9]{1,2}(\r\n ,[0-9])?\r\n",
        "[a-z]{1,6} {0,2}: [ -~]{0,6}\r\n[ \t]{1,2}[ -~]{0,6}\r\n",
        "0\r\n([a-z]{1,3}: [a-z]{0,3}\r\n){0,3}\r\n",
        "connection: (close|keep-alive)\r\n",
        "[a-z]{1,6}: [ -~]{0,12}\r\n",
        Just("\r\n".to_owned()),
        "[0-9a-f]{1,2}(;[a-z]{1,3})?\r\n",
        Just("0\r\n\r\n".to_owned()),
        "[ -~]{0,20}",
    ];
    let head = "(HTTP/1\\.1 10[023] [a-z]{0,4}\r\n(link: x\r\n y\r\n){0,2}\r\n){0,2}HTTP/1\\.[01] (200|204|304|404|503) OK\r\n";
    (head, prop::collection::vec(piece, 0..12))
        .prop_map(|(head, pieces)| (head + &pieces.concat()).into_bytes())
}

/// What need not be an answer at all.
fn strange() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let pieces = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20);
    (streams(), pieces).prop_map(|(begins, mut pieces)| {
        pieces.insert(0, begins);
        pieces
    })
}

/// However it is cut, it is the same; and the same as hyper sees where it is as lenient.
fn is_seen_rightly(to_head: bool, stream: &[u8], length: usize) -> Result<(), TestCaseError> {
    let at_once = seen(to_head, [stream]);
    let cut = seen(to_head, stream.chunks(length));
    prop_assert_eq!(&cut, &at_once, "{}", stream.escape_ascii());
    let ours = match at_once {
        Seen::Whole { status, .. } => Some(status),
        Seen::Partial | Seen::Malformed => None,
    };
    let strictly = || as_hyper_sees_it(to_head, &strictly(to_head, stream));
    let hyper = as_hyper_sees_it(to_head, stream).or_else(|| ours.and(strictly()));
    prop_assert_eq!(ours, hyper, "{}", stream.escape_ascii());
    Ok(())
}

proptest! {
    #[test]
    fn nothing_that_comes_is_too_strange(pieces in strange(), to_head: bool) {
        seen(to_head, pieces.iter().map(Vec::as_slice));
        seen(to_head, pieces[1..].iter().map(Vec::as_slice));
    }

    #[test]
    fn streams_are_seen_rightly(stream in streams(), to_head: bool, length in 1_usize..9) {
        is_seen_rightly(to_head, &stream, length)?;
    }
}

/// The same for as long as one likes, on one thread:
/// `FUZZ_SECONDS=3600 cargo test --profile lab --workspace --lib for_as_long_as_is_wished -- --ignored`.
#[test]
#[ignore = "lasts as long as FUZZ_SECONDS says"]
fn for_as_long_as_is_wished() {
    let seconds = std::env::var("FUZZ_SECONDS").expect("FUZZ_SECONDS says for how long");
    let seconds = seconds.parse().expect("FUZZ_SECONDS is a whole number");
    let ends = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < ends {
        // Each begins with a seed of its own.
        let all = (streams(), strange(), any::<bool>(), 1_usize..9);
        let rounds = TestRunner::default().run(&all, |(stream, pieces, to_head, length)| {
            seen(to_head, pieces.iter().map(Vec::as_slice));
            is_seen_rightly(to_head, &stream, length)
        });
        rounds.unwrap();
    }
}
