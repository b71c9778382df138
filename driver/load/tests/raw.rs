//! Raw answers from a socket, as this engine, hyper's client and curl read them: the same, or a difference that has its
//! reason beside it. hyper is as its users get it, with none of its leniences; the unit tests compare with those on.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use lab_load::{Ask, Asker};

/// Longer than any of these answers takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client makes of an answer: status and body, or nothing.
type Seen = Option<(u16, String)>;

struct Case {
    name: &'static str,
    answer: Vec<u8>,
    /// The server ends the stream behind it; else it keeps the connection, and only the answer says where it ends.
    closes: bool,
    /// What this engine sees.
    ours: Seen,
    /// Why hyper sees something else.
    hyper: Option<&'static str>,
    /// Why some curl does.
    curl: Option<&'static str>,
}

impl Case {
    fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    fn not_hyper(mut self, why: &'static str) -> Self {
        self.hyper = Some(why);
        self
    }

    fn not_curl(mut self, why: &'static str) -> Self {
        self.curl = Some(why);
        self
    }
}

fn case(name: &'static str, answer: impl AsRef<[u8]>, ours: Seen) -> Case {
    Case {
        name,
        answer: answer.as_ref().to_vec(),
        closes: false,
        ours,
        hyper: None,
        curl: None,
    }
}

/// An answer whose head has these lines, too, and whose body is `ok`.
fn with_lines(name: &'static str, lines: &str) -> Case {
    let text = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok");
    case(name, text, Some(ok()))
}

/// A chunked answer.
fn chunked(name: &'static str, chunks: &str, ours: Seen) -> Case {
    let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    case(name, text, ours)
}

/// An answer to which one length or several are given.
fn with_length(name: &'static str, lengths: &str, ours: Seen) -> Case {
    case(
        name,
        format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nok"),
        ours,
    )
}

fn ok() -> (u16, String) {
    (200, "ok".to_owned())
}

fn none(status: u16) -> (u16, String) {
    (status, String::new())
}

/// Sections are those of RFC 9112.
fn heads() -> Vec<Case> {
    let strict =
        "hyper refuses it unless told not to; a user agent has to get along with it (5.1, 5.2)";
    let cookies = "Set-Cookie: c=v\r\n".repeat(130);
    vec![
        with_lines("plain", ""),
        with_lines("fold", "X-Policy: default-src 'self';\r\n  img-src *\r\n").not_hyper(strict),
        with_lines("fold of nothing", "X:\r\n \r\nY: z\r\n\t\r\n").not_hyper(strict),
        with_length("fold before a length", "Content-Length:\r\n 2", Some(ok()))
            .not_hyper(strict)
            .not_curl("some curl read lines one by one, and this one says nothing"),
        with_lines("blank before the colon", "X-Old : yes\r\n").not_hyper(strict),
        with_length("blank before the colon of a length", "Content-Length : 2", Some(ok()))
            .not_hyper(strict)
            .not_curl("to curl it is no length, and the body lasts to the end of the stream"),
        with_lines("odd name", "X (odd): yes\r\n").not_hyper(strict),
        with_lines("no colon", "nothing\r\n")
            .not_hyper(strict)
            .not_curl("curl is strict; browsers pass over what is no field"),
        with_lines("no name", ": x\r\n").not_hyper(strict),
        with_lines("control character", "X-Bin: a\x01b\r\n").not_hyper(strict),
        with_lines("blank before the first name", " X-Policy: a\r\n")
            .not_hyper(strict)
            .not_curl("curl refuses it; it may be passed over as well (2.2)"),
        with_lines("130 lines", &cookies).not_hyper("100 is as many as it takes, unless told otherwise"),
        case("two blanks", "HTTP/1.1  200  OK\r\nContent-Length: 2\r\n\r\nok", Some(ok()))
            .not_hyper("words may be parsed apart by any blanks (4)"),
        case("lone LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Some(ok())),
        case("no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", Some(ok())),
        case(
            "latin-1",
            b"HTTP/1.1 200 Tr\xe8s bien\r\nX-N: caf\xe9\r\nContent-Length: 2\r\n\r\nok",
            Some(ok()),
        ),
        case("empty line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some(ok()))
            .not_curl("to curl it is HTTP/0.9; an empty line before a message is to be ignored (2.2)"),
        case("status 999", "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", Some(none(999))),
        case(
            "early hints",
            "HTTP/1.1 103 Early Hints\r\nLink: <a>;\r\n rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Some(ok()),
        )
        .not_hyper(strict),
        case("NUL", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok", None),
        case("HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", None)
            .not_curl("some take it for 1.1, as RFC 9110, 2.5 has it; there is no such version, and httparse knows none"),
        case("ICY", "ICY 200 OK\r\nContent-Length: 2\r\n\r\nok", None)
            .not_curl("a radio station's, which is no HTTP"),
    ]
}

fn framings() -> Vec<Case> {
    let lf = "hyper fears smuggling past a proxy, which a user agent is not; browsers take it";
    let trailer = "hyper is strict about a trailer, whose fields may be ignored (7.1.2)";
    vec![
        chunked(
            "chunks",
            "1\r\no\r\n1;a=\"b;c\"\r\nk\r\n0;x\r\nX-Sum: 1\r\n\r\n",
            Some(ok()),
        ),
        chunked("chunks with lone LF", "2\nok\n0\n\n", Some(ok())).not_hyper(lf),
        chunked("padded sizes", "2     \r\nok\r\n0  \r\n\r\n", Some(ok())),
        chunked(
            "many zeros",
            "00000000000000000002\r\nok\r\n0\r\n\r\n",
            Some(ok()),
        )
        .not_curl("curl takes 16 digits; there may be any number of zeros (7.1)"),
        chunked(
            "odd trailer",
            "2\r\nok\r\n0\r\nX (odd): a;\r\n b\r\nnothing\r\n\r\n",
            Some(ok()),
        )
        .not_hyper(trailer)
        .not_curl("curl is strict about it, too"),
        chunked("a size that is none", "x\r\nok\r\n0\r\n\r\n", None),
        chunked("no end of a chunk", "2\r\nokay\r\n0\r\n\r\n", None),
        chunked("cut off", "2\r\nok\r\n", None).closing(),
        case(
            "chunked and a length",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Some(ok()),
        ),
        case(
            "chunked in 1.0",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            None,
        )
        .not_curl("such a framing is to be taken for faulty (6.1)"),
        case(
            "identity",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nok",
            Some(ok()),
        )
        .closing(),
        with_length("a list of one length", "Content-Length: 2, 2", Some(ok())),
        with_length(
            "one length twice",
            "Content-Length: 2\r\nContent-Length: 2",
            Some(ok()),
        ),
        with_length(
            "two lengths",
            "Content-Length: 2\r\nContent-Length: 1",
            None,
        )
        .not_curl("some take the last; it must be an error (6.3)"),
        with_length("a sign", "Content-Length: +2", None)
            .not_curl("some take it; a length is digits (RFC 9110, 8.6)"),
        with_length("a length that is none", "Content-Length: two", None),
        with_length("less than the length", "Content-Length: 3", None).closing(),
        with_length("to the end", "X: y", Some(ok())).closing(),
        case("1.0 to the end", "HTTP/1.0 200 OK\r\n\r\nok", Some(ok())).closing(),
        case("204", "HTTP/1.1 204 No Content\r\n\r\n", Some(none(204))),
        case(
            "304",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
            Some(none(304)),
        ),
        case("205", "HTTP/1.1 205 Reset Content\r\n\r\n", Some(none(205))).closing(),
        case("nothing", "", None).closing(),
    ]
}

/// Answers a request for `/n` with the nth case.
fn serve(answers: Vec<(Vec<u8>, bool)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = answers.clone();
            thread::spawn(move || answer(stream, &answers));
        }
    });
    address
}

fn answer(mut stream: TcpStream, answers: &[(Vec<u8>, bool)]) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?;
    let (answer, closes) = answers.get(path.strip_prefix('/')?.parse::<usize>().ok()?)?;
    stream.write_all(answer).ok()?;
    if !closes {
        // Until the client goes away.
        let _ = stream.read(&mut [0]);
    }
    Some(())
}

async fn as_we_see_it(address: SocketAddr, path: &str) -> Seen {
    let ask = Ask {
        to: address.into(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        body: None,
    };
    let reply = Asker::default().ask(&ask).await.ok()?;
    Some((reply.status, String::from_utf8(reply.body).unwrap()))
}

async fn as_hyper_sees_it(address: SocketAddr, path: &str) -> Seen {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "x");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some((
        head.status.as_u16(),
        String::from_utf8(body.to_vec()).unwrap(),
    ))
}

/// None where there is no curl.
fn as_curl_sees_it(address: SocketAddr, path: &str) -> Option<Seen> {
    let output = Command::new("curl")
        .args([
            "-q",
            "--silent",
            "--http1.1",
            "--noproxy",
            "*",
            "--max-time",
            "20",
        ])
        .args([
            "--write-out",
            "\n%{http_code}",
            &format!("http://{address}{path}"),
        ])
        .output()
        .ok()?;
    let seen = String::from_utf8(output.stdout).unwrap();
    let (body, status) = seen.rsplit_once('\n').unwrap();
    let whole = output.status.success();
    Some(whole.then(|| (status.parse().unwrap(), body.to_owned())))
}

#[tokio::test]
async fn answers_are_read_as_others_read_them() {
    let cases: Vec<Case> = heads().into_iter().chain(framings()).collect();
    let answers = cases.iter().map(|case| (case.answer.clone(), case.closes));
    let address = serve(answers.collect());
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let (name, path) = (case.name, format!("/{index}"));
        let ours = tokio::time::timeout(PATIENCE, as_we_see_it(address, &path)).await;
        if ours.as_ref() != Ok(&case.ours) {
            wrong.push(format!("{name}: we see {ours:?}, not {:?}", case.ours));
        }
        // hyper would wait for the end of what is none to it.
        let hyper = tokio::time::timeout(Duration::from_secs(1), as_hyper_sees_it(address, &path));
        let hyper = hyper.await.unwrap_or_default();
        if (hyper == case.ours) == case.hyper.is_some() {
            wrong.push(format!("{name}: hyper sees {hyper:?}; {:?}", case.hyper));
        }
    }
    let curls = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| case.curl.is_none());
    let curls = curls.map(|(index, case)| {
        let seen = thread::spawn(move || as_curl_sees_it(address, &format!("/{index}")));
        (case, seen)
    });
    for (case, seen) in curls.collect::<Vec<_>>() {
        if let Some(seen) = seen.join().unwrap()
            && seen != case.ours
        {
            wrong.push(format!("{}: curl sees {seen:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
