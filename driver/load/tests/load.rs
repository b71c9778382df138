//! The load engine against real servers, well-behaved and not.

mod ran;

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    future::Future,
    io::{Read as _, Write as _},
    net::SocketAddr,
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lab_load::{
    Again, Body, Cause, Cell, ClassPlan, End, Ledger, LoadError, Plan, Repeat, Running, Sample,
    Targets, Template, Told,
    schedule::{Shape, Spacing, Stretch},
    summary::{self, Distribution, Span},
};
use lab_record::{Ends, Totals};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use ran::Ran;

const OK: End = End::Answered(200);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A class of even arrivals.
fn class(name: &str, path: &str, rate: f64, length: Duration) -> ClassPlan {
    let stretch = Stretch {
        length,
        shape: Shape::Constant(rate.try_into().unwrap()),
    };
    let mut class = ClassPlan::get(name, path, vec![stretch]);
    class.expectation.slo = ms(500);
    class
}

fn plan(class: ClassPlan) -> Plan {
    Plan {
        connections_per_target: 2,
        drain: ms(20_000),
        ..Plan::of("test", vec![class])
    }
}

fn api(address: SocketAddr) -> Targets {
    Targets {
        api: vec![address.into()],
        ..Targets::default()
    }
}

/// What a test may turn and watch while a plan runs.
struct Controls {
    targets: watch::Sender<Targets>,
    seen: mpsc::UnboundedReceiver<Sample>,
    told: mpsc::UnboundedReceiver<Told>,
    stop: CancellationToken,
}

async fn start(plan: &Plan, address: SocketAddr) -> Result<(Running, Controls), LoadError> {
    let (targets, receiver) = watch::channel(api(address));
    let (live, seen) = mpsc::unbounded_channel();
    let (tell, told) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let running = lab_load::start(plan.clone(), receiver, live, tell, stop.clone()).await?;
    Ok((
        running,
        Controls {
            targets,
            seen,
            told,
            stop,
        },
    ))
}

/// Runs a plan to its end and checks its books.
async fn run(plan: Plan, address: SocketAddr) -> Ran {
    let (running, mut controls) = start(&plan, address).await.unwrap();
    let ran = finish(&plan, running, &mut controls).await;
    assert!(ran.complete);
    ran
}

/// Waits for the end and checks the books; the samples are those that were not yet taken.
async fn finish(plan: &Plan, running: Running, controls: &mut Controls) -> Ran {
    let ran = Ran::of(running, &mut controls.seen).await;
    let classes = summary::classes(plan, &ran.cells);
    summary::verify_books(plan, &ran, &classes).unwrap();
    ran
}

fn broken(ran: &Ran) -> usize {
    let samples = ran.samples.iter();
    let broken = samples.filter(|sample| matches!(sample.end, End::Broken(_)));
    broken.count()
}

/// Serves HTTP/1 with one function from request to body.
fn serve<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = String> + Send + 'static,
{
    with_each(move |stream| {
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let body = answer(request);
            async { Ok::<_, Infallible>(Response::new(body.await)) }
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        async { drop(served.await) }
    })
}

/// Does this with each connection.
fn with_each<F>(mut does: impl FnMut(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = listen();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(does(stream));
        }
    });
    address
}

/// Reads a request; false where none comes any more.
async fn hears(stream: &mut TcpStream) -> bool {
    let read = stream.read(&mut [0; 1024]).await;
    read.is_ok_and(|length| length > 0)
}

/// As the services listen: a short backlog would measure itself.
fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(1024).unwrap()
}

#[tokio::test]
async fn stamps_are_in_order_and_whole_bodies_are_waited_for() {
    let address = serve(|_| async {
        tokio::time::sleep(ms(30)).await;
        "x".repeat(300_000)
    });
    let recording = run(plan(class("quote", "/", 50.0, ms(400))), address).await;
    assert_eq!(recording.ended(OK), 20);
    for sample in &recording.samples {
        let (written, first) = (sample.written.unwrap(), sample.first_byte.unwrap());
        assert!(sample.intended <= written && written < first && first < sample.done);
        assert!(
            first.abs_diff(written) >= ms(25),
            "the answer began too early"
        );
    }
    assert_eq!(recording.connects.before, 2);
    assert!(recording.wall >= ms(390));
}

#[tokio::test]
async fn nothing_leaves_before_its_time() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let address = serve(move |_| {
        arrived.send(Instant::now()).unwrap();
        async { "ok".into() }
    });
    let mut plan = plan(class("quote", "/", 100.0, ms(200)));
    // The first at once.
    let schedule = &mut plan.classes[0].schedule;
    let at_once = Stretch {
        length: Duration::from_micros(1),
        shape: Shape::Constant(1e6.try_into().unwrap()),
    };
    schedule.stretches.insert(0, at_once);
    let (running, _controls) = start(&plan, address).await.unwrap();
    let t0 = running.t0();
    running.finish().await.unwrap();
    let schedule = &plan.classes[0].schedule;
    assert!(schedule.arrivals().next().unwrap() < Duration::from_micros(1));
    for intended in schedule.arrivals() {
        assert!(arrivals.recv().await.unwrap() >= t0 + intended);
    }
}

/// The test of coordinated omission. A third of 3 s of arrivals meets a stall of 1 s and waits for
/// its end: between 0 and 1 s, evenly. So 10 % of all wait longer than 0.7 s. A closed loop, or
/// one that counts from the actual send, would show a millisecond.
#[tokio::test]
async fn a_stall_shows_in_the_percentiles_as_theory_says() {
    let stall = Instant::now() + ms(1000)..Instant::now() + ms(2000);
    let address = serve(move |_| {
        let stall = stall.clone();
        async move {
            if stall.contains(&Instant::now()) {
                tokio::time::sleep_until(stall.end.into()).await;
            }
            "ok".into()
        }
    });
    let recording = run(plan(class("quote", "/", 100.0, ms(3000))), address).await;
    assert_eq!(recording.ended(OK), 300);

    let latencies: Distribution = recording
        .samples
        .iter()
        .map(|sample| (sample.latency(), false))
        .collect();
    let percentile = |percent| latencies.percentile(percent).unwrap().ms;
    let (p50, p90, max) = (percentile(50), percentile(90), percentile(100));
    assert!(p50 < 400.0, "p50 {p50} ms");
    assert!((500.0..=950.0).contains(&p90), "p90 {p90} ms");
    assert!(max >= 900.0, "max {max} ms");
}

#[tokio::test]
async fn a_server_that_never_answers_holds_nothing_up() {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    let mut class = class("quote", "/", 100.0, ms(1000));
    class.timeout = ms(600);
    let recording = run(plan(class), address).await;

    assert_eq!(recording.ended(End::TimedOut), 100);
    for sample in &recording.samples {
        assert!(sample.written.is_some() && sample.first_byte.is_none());
        assert!(sample.latency() >= ms(600));
    }
    // The arrivals went on: the last was sent when the first had long been given up.
    let last = recording.samples.iter().filter_map(|s| s.written).max();
    assert!(last.unwrap() >= ms(990));
    // A connection that was given up carries nothing else.
    assert_eq!(recording.connects.after_start, 98);
}

#[tokio::test]
async fn connections_refused_are_failures_on_record() {
    let address = listen().local_addr().unwrap(); // Closed again at once.
    let mut plan = plan(class("quote", "/", 100.0, ms(300)));
    plan.connections_per_target = 0;
    let recording = run(plan, address).await;
    assert_eq!(recording.ended(End::Broken(Cause::Refused)), 30);
    assert_eq!(recording.connects.refused, 30);
    assert!(recording.samples.iter().all(|s| s.written.is_none()));
}

#[tokio::test]
async fn a_target_that_is_down_is_named_before_the_start() {
    let address = listen().local_addr().unwrap();
    let plan = plan(class("quote", "/", 100.0, ms(300)));
    let Err(LoadError::Connect { target, .. }) = start(&plan, address).await else {
        panic!("the load started without its target");
    };
    assert_eq!(target, address);
}

/// A server that hangs up on each request once it has come, and who tells of each.
fn hangs_up() -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let (received, requests) = mpsc::unbounded_channel();
    let address = with_each(move |mut stream| {
        let received = received.clone();
        async move {
            // Hangs up once the request has come.
            if hears(&mut stream).await {
                received.send(()).unwrap();
            }
        }
    });
    (address, requests)
}

#[tokio::test]
async fn connections_that_break_are_failures_on_record() {
    // Of the 30 requests 2 leave on the connections that were idle.
    for (method, retried) in [("GET", 2), ("DELETE", 2), ("POST", 0), ("PATCH", 0)] {
        let (address, mut requests) = hangs_up();
        let mut class = class("quote", "/", 100.0, ms(300));
        class.method = method.parse().unwrap();
        let recording = run(plan(class), address).await;
        assert_eq!(recording.ended(End::Broken(Cause::Closed)), 30, "{method}");
        let sent = recording.samples.iter().filter(|s| s.written.is_some());
        assert_eq!(sent.count(), 30);
        // What may be done twice is sent again once, on a new connection, and nothing else is.
        let received = std::iter::from_fn(|| requests.try_recv().ok());
        assert_eq!(received.count(), 30 + retried, "{method}");
        assert_eq!(recording.connects.after_start, 28 + retried as u64);
        assert_eq!(recording.connects.retried, retried as u64, "{method}");
    }
}

#[tokio::test]
async fn a_request_that_fails_has_the_cause_of_its_last_connection() {
    for (method, closed) in [("GET", 0), ("POST", 2)] {
        // The two that rest are closed in order as their request comes, the others are broken off.
        let mut accepted = 0;
        let address = with_each(move |mut stream| {
            accepted += 1;
            let rests = accepted <= 2;
            async move {
                let _ = stream.read(&mut [0; 1024]).await;
                if !rests {
                    stream.set_zero_linger().unwrap();
                }
            }
        });
        let mut class = class("quote", "/", 100.0, ms(300));
        class.method = method.parse().unwrap();
        let recording = run(plan(class), address).await;
        let with = |cause| recording.ended(End::Broken(cause));
        let causes = (with(Cause::Closed), with(Cause::Reset));
        assert_eq!(causes, (closed, 30 - closed), "{method}");
    }
}

#[tokio::test]
async fn a_connection_broken_off_while_a_body_is_sent_was_reset() {
    let address = with_each(async |mut stream| {
        let _ = stream.read_exact(&mut vec![0; 1 << 20]).await;
        stream.set_zero_linger().unwrap();
    });
    let mut class = class("upload", "/", 50.0, ms(300));
    class.method = Method::POST;
    class.body = Some(Body::Fixed(vec![b'x'; 8 << 20]));
    let recording = run(plan(class), address).await;
    assert_eq!(recording.ended(End::Broken(Cause::Reset)), 15);
}

/// The server's limit for idle connections is over just as the next request comes.
#[tokio::test]
async fn a_connection_closed_as_a_request_leaves_costs_no_idempotent_request() {
    let address = with_each(async |mut stream| {
        let _ = stream.read(&mut [0; 1024]).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.write_all(answer).await;
        let _ = stream.read(&mut [0; 1024]).await;
        tokio::time::sleep(ms(30)).await;
    });
    let mut plan = plan(class("quote", "/", 10.0, ms(1000)));
    plan.connections_per_target = 1;
    let recording = run(plan, address).await;
    assert_eq!(recording.ended(OK), 10);
    // A connection carries one request and loses another, which needs a new one.
    assert_eq!(recording.connects.after_start, 9);
    // All but the first are due while one rests, unless the machine stands still.
    let retried = recording.connects.retried;
    assert!((1..=9).contains(&retried), "{retried}");
    let again = recording.samples.iter().filter(|s| s.latency() >= ms(30));
    assert!(
        again.count() as u64 >= retried,
        "what was lost on the first one counts"
    );
    assert!(
        recording
            .samples
            .iter()
            .all(|s| s.written.unwrap() < s.first_byte.unwrap())
    );
}

/// Ten workers that stay with their connections, as many servers have them.
#[tokio::test]
async fn idle_connections_starve_nobody() {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let workers = std::sync::Arc::new(tokio::sync::Semaphore::new(10));
        loop {
            let worker = workers.clone().acquire_owned().await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while hears(&mut stream).await {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
                drop(worker);
            });
        }
    });
    let mut plan = plan(class("quote", "/", 20.0, ms(500)));
    plan.connections_per_target = 48;
    let recording = run(plan, address).await;
    assert_eq!(recording.ended(OK), 10);
    assert_eq!(
        (recording.connects.before, recording.connects.after_start),
        (48, 0)
    );
}

/// One connection at a time and almost no backlog, as Python's `http.server` or a toy has it.
#[tokio::test]
async fn a_server_gets_as_many_connections_as_it_takes() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if hears(&mut stream).await {
                let answer = b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        }
    });
    let mut plan = plan(class("quote", "/", 10.0, ms(500)));
    plan.connections_per_target = 48;
    let recording = run(plan, address).await;
    assert_eq!(recording.ended(OK), 5);
    let before = recording.connects.before;
    assert!((1..48).contains(&before), "{before}");
    assert_eq!(recording.connects.wanted, 48);
}

/// A server that answers when it has read so much of a request, with this `Connection`, reads no more, and closes after a
/// while.
fn answers_early(read: usize, connection: &'static str, closes_after: Duration) -> SocketAddr {
    with_each(move |mut stream| async move {
        let mut request = vec![0; read];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        let answer = format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Payload Too Large\r\n\
             connection: {connection}\r\ncontent-length: 9\r\n\r\ntoo large"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        tokio::time::sleep(closes_after).await;
    })
}

#[tokio::test]
async fn an_answer_to_a_body_that_is_still_being_sent_is_the_answer() {
    for (read, connection, closes_after) in [
        (20, "keep-alive", ms(0)),
        (20, "keep-alive", ms(50)),
        (20, "keep-alive", ms(60_000)),
        // The more is read, the more the kernels hold, in the end all of it: nobody but the server knows then that it reads
        // no more.
        (1 << 20, "close", ms(0)),
        (1 << 20, "close", ms(60_000)),
    ] {
        let address = answers_early(read, connection, closes_after);
        let mut class = class("upload", "/", 10.0, ms(300));
        class.method = Method::POST;
        class.body = Some(Body::Fixed(vec![b'x'; 8 << 20]));
        class.keeps_answers = true;
        let plan = plan(class);
        let (running, mut controls) = start(&plan, address).await.unwrap();
        let ran = finish(&plan, running, &mut controls).await;
        assert_eq!(ran.ended(End::Answered(413)), 3, "{read} {closes_after:?}");
        assert_eq!(controls.told.recv().await.unwrap().body, b"too large");
        // Two were opened before, and none is used twice.
        assert_eq!(ran.connects.after_start, 1, "{read} {closes_after:?}");
    }
}

#[tokio::test]
async fn a_large_body_that_is_read_is_answered_behind_it() {
    let address = serve(|request| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        format!("{} {}", body.len(), body.iter().all(|byte| *byte == b'x'))
    });
    let mut class = class("upload", "/", 10.0, ms(500));
    class.method = Method::PUT;
    class.body = Some(Body::Fixed(vec![b'x'; 8 << 20]));
    class.keeps_answers = true;
    let mut plan = plan(class);
    plan.connections_per_target = 5;
    let (running, mut controls) = start(&plan, address).await.unwrap();
    let ran = finish(&plan, running, &mut controls).await;
    assert_eq!(ran.ended(OK), 5);
    assert_eq!(ran.connects.after_start, 0);
    let told = std::iter::from_fn(|| controls.told.try_recv().ok());
    let bodies: Vec<String> = told
        .map(|told| String::from_utf8(told.body).unwrap())
        .collect();
    assert_eq!(bodies, vec!["8388608 true"; 5]);
}

/// The heads of requests and their bodies, as a server sees them.
#[tokio::test]
async fn a_request_is_sent_as_its_class_says() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = serve(move |request| {
        let seen = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            let mut lines: Vec<String> = head
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            let body = body.collect().await.unwrap().to_bytes();
            seen.send((head.method.to_string(), lines.join("; "), body))
                .unwrap();
            String::new()
        }
    });
    let mut patch = class("patch", "/", 10.0, ms(100));
    patch.method = Method::PATCH;
    let headers = [
        ("Host", "shop.example"),
        ("X-Key", "{key}"),
        ("Content-Type", "text/plain"),
    ];
    patch.headers = headers
        .map(|(name, value)| (name.to_owned(), Template::new(value)))
        .to_vec();
    patch.body = Some(Body::Filled(Template::new("n = {n}")));
    let mut head = class("head", "/", 10.0, ms(100));
    head.method = Method::HEAD;
    let mut purge = class("purge", "/", 10.0, ms(100));
    purge.method = "PURGE".parse().unwrap();
    purge.body = Some(Body::Fixed(b"\0\xff".to_vec()));
    let own =
        "content-length: 5; content-type: text/plain; host: shop.example; x-key: test-patch-0";
    for (class, method, lines, body) in [
        (patch, "PATCH", own.to_owned(), &b"n = 0"[..]),
        (head, "HEAD", format!("host: {address}"), &b""[..]),
        (
            purge,
            "PURGE",
            format!("content-length: 2; host: {address}"),
            &b"\0\xff"[..],
        ),
    ] {
        assert_eq!(run(plan(class), address).await.ended(OK), 1);
        let (seen_method, seen_lines, seen_body) = requests.recv().await.unwrap();
        assert_eq!(
            (seen_method.as_str(), seen_lines, &seen_body[..]),
            (method, lines, body)
        );
    }
}

#[tokio::test]
async fn what_is_too_late_to_be_waited_for_is_not_sent() {
    let address = serve(|_| async { "ok".into() });
    let mut class = class("quote", "/", 100.0, ms(300));
    class.timeout = Duration::ZERO;
    let recording = run(plan(class), address).await;
    assert_eq!(recording.ended(End::TimedOut), 30);
    assert!(recording.samples.iter().all(|s| s.written.is_none()));
}

/// Trying again and again would add load of the driver's own making.
#[tokio::test]
async fn a_server_that_hangs_up_on_everyone_is_tried_once_a_request() {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let mut plan = plan(class("quote", "/", 100.0, ms(300)));
    plan.connections_per_target = 0;
    let recording = run(plan, address).await;
    assert_eq!(broken(&recording), 30);
    let connects = recording.connects;
    assert_eq!(connects.after_start + connects.refused, 30);
}

#[tokio::test]
async fn what_exceeds_the_bound_is_dropped_and_counted() {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    let mut class = class("quote", "/", 100.0, ms(500));
    class.max_in_flight = 7;
    let mut plan = plan(class);
    plan.drain = ms(100);
    let (running, mut controls) = start(&plan, address).await.unwrap();
    let recording = finish(&plan, running, &mut controls).await;

    assert_eq!(recording.ended(End::Dropped), 43);
    assert_eq!(recording.ledger[0].dropped, 43);
    // The limit of the wait cut the others off.
    assert_eq!(recording.ended(End::Unfinished), 7);
    assert!(!recording.complete);
    assert_eq!(recording.cells.requests(), 50);
}

/// What came of a plan, as far as no machine has a word in it: of the schedule's arrivals each with its moment, of
/// clients that ask again how often.
#[derive(Debug, PartialEq)]
struct Came {
    requests: Vec<(u16, u64, u8, Option<Duration>, u16)>,
    told: Vec<(u16, u64, u16, Vec<u8>)>,
    ledger: Vec<Ledger>,
    counts: Vec<(Totals, Vec<Totals>, Ends)>,
    /// By class: keys that were asked for, and that were answered as wished.
    keys: Vec<[BTreeMap<u64, u64>; 2]>,
}

impl Came {
    async fn of(plan: &Plan, address: SocketAddr) -> (Self, Ran) {
        let (running, mut controls) = start(plan, address).await.unwrap();
        let ran = finish(plan, running, &mut controls).await;
        let mut requests: Vec<_> = ran.samples.iter().map(request).collect();
        requests.sort_unstable();
        let told = std::iter::from_fn(|| controls.told.try_recv().ok());
        let mut told: Vec<_> = told
            .map(|told| (told.class, told.key, told.status, told.body))
            .collect();
        told.sort_unstable();
        let counts = summary::classes(plan, &ran.cells).into_iter().map(|class| {
            let by_phase = class.by_phase.iter().map(|phase| phase.counts);
            (class.total.counts, by_phase.collect(), class.total.ends)
        });
        let keys = (0..plan.classes.len()).map(|class| {
            let cells = || ran.cells.of(class).map(|(_, cell)| cell);
            [
                sums(cells().flat_map(Cell::asked)),
                sums(cells().flat_map(Cell::answered)),
            ]
        });
        let came = Self {
            requests,
            told,
            ledger: ran.ledger.clone(),
            counts: counts.collect(),
            keys: keys.collect(),
        };
        (came, ran)
    }
}

fn request(sample: &Sample) -> (u16, u64, u8, Option<Duration>, u16) {
    let End::Answered(status) = sample.end else {
        panic!("{sample:?}");
    };
    let planned = (sample.attempt == 0).then_some(sample.intended);
    (sample.class, sample.key, sample.attempt, planned, status)
}

fn sums(keys: impl Iterator<Item = (u64, u64)>) -> BTreeMap<u64, u64> {
    let mut sums = BTreeMap::new();
    for (key, times) in keys {
        *sums.entry(key).or_default() += times;
    }
    sums
}

/// Turns every fifth key down, and answers with the key.
fn fickle() -> SocketAddr {
    with_each(|stream| {
        let service = service_fn(|request: Request<Incoming>| async move {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let key: u64 = query.rsplit('-').next().unwrap().parse().unwrap();
            let status = if key % 5 == 3 { 503 } else { 200 };
            let answer = Response::builder().status(status).body(query);
            Ok::<_, Infallible>(answer.unwrap())
        });
        let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        async { drop(served.await) }
    })
}

/// Two classes, one of them with clients that ask for an earlier key over again, or again at once where they are turned
/// down; which the last arrival, two seconds later, gives them the time for.
fn of_all_kinds() -> Plan {
    let stretch = |length, rate: f64| Stretch {
        length: ms(length),
        shape: Shape::Constant(rate.try_into().unwrap()),
    };
    let mut buy = class("buy", "/?{key}", 400.0, ms(300));
    buy.schedule.stretches.push(stretch(2_000, 0.0));
    buy.schedule.stretches.push(stretch(100, 10.0));
    buy.repeat = Some(Repeat { every: 20, lag: 7 });
    buy.again = Some(Again {
        after: ms(1),
        times: 2,
        statuses: vec![503],
    });
    (buy.keeps_answers, buy.keeps_keys) = (true, true);
    let mut look = class("look", "/?{key}", 300.0, ms(500));
    look.schedule.spacing = Spacing::Bursts {
        of: 7.try_into().unwrap(),
    };
    look.keeps_keys = true;
    let phases = [("first", 0, 1_500), ("second", 1_500, 2_500)];
    let phases = phases.map(|(name, from, to)| Span {
        name: name.to_owned(),
        from: ms(from),
        to: ms(to),
    });
    Plan {
        connections_per_target: 6,
        drain: ms(20_000),
        phases: phases.into(),
        ..Plan::of("test", vec![buy, look])
    }
}

#[tokio::test]
async fn any_number_of_loops_sends_the_same_and_comes_to_the_same() {
    let address = fickle();
    let all = [1, 2, 3, 5].map(|loops| async move {
        let mut plan = of_all_kinds();
        plan.loops = NonZero::new(loops);
        Came::of(&plan, address).await
    });
    let [a, b, c, d] = all;
    let (one, b, c, d) = tokio::join!(a, b, c, d);
    let (one, ran) = one;
    assert_eq!(ran.loops.len(), 1);
    assert_eq!(one.ledger[0].planned, 121);
    assert!(one.ledger[0].again >= 2 * 24, "{:?}", one.ledger);
    for ((came, ran), loops) in [b, c, d].iter().zip([2, 3, 5]) {
        assert_eq!(came, &one, "{loops}");
        assert_eq!(ran.loops.len(), loops);
        let sent: Vec<u64> = ran.loops.iter().map(|one| one.sent).collect();
        assert_eq!(sent.iter().sum::<u64>(), ran.cells.requests());
        // They take turns, and who is turned down asks again in the same loop.
        let fair = ran.cells.requests() / loops as u64;
        assert!(sent.iter().all(|own| *own > fair / 2), "{sent:?}");
        assert!(!ran.hiccups.is_empty() && ran.wall > ms(2_000));
    }
}

#[tokio::test]
async fn loops_that_find_no_connection_left_fail_no_run() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    // Nobody takes what is in its backlog.
    let listener = socket.listen(1).unwrap();
    let mut plan = plan(class("quote", "/", 0.0, ms(10)));
    plan.connections_per_target = 48;
    plan.loops = NonZero::new(2);
    let recording = run(plan, listener.local_addr().unwrap()).await;
    assert_eq!(recording.loops.len(), 2);
    assert_eq!(recording.connects.wanted, 48);
    let before = recording.connects.before;
    assert!((1..48).contains(&before), "{before}");
}

#[tokio::test]
async fn several_loops_end_when_nobody_waits_for_them() {
    let address = serve(|_| async { "ok".into() });
    let mut plan = plan(class("quote", "/", 100.0, ms(60_000)));
    plan.loops = NonZero::new(3);
    let (running, mut controls) = start(&plan, address).await.unwrap();
    drop(running);
    // The channel closes when the last send loop is gone.
    while controls.seen.recv().await.is_some() {}
}

#[tokio::test]
async fn a_run_that_is_stopped_keeps_its_books() {
    let address = serve(|_| async {
        tokio::time::sleep(ms(200)).await;
        "ok".into()
    });
    let mut plan = plan(class("quote", "/", 100.0, ms(60_000)));
    plan.loops = NonZero::new(2);
    let (running, mut controls) = start(&plan, address).await.unwrap();
    for _ in 0..20 {
        assert_eq!(controls.seen.recv().await.unwrap().end, OK);
    }
    controls.stop.cancel();
    let recording = finish(&plan, running, &mut controls).await;

    assert!(!recording.complete);
    assert!(recording.ended(End::Unfinished) >= 1);
    assert_eq!(recording.ledger[0].planned, 6000);
    assert!(recording.ledger[0].offered < 3000);
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_ends() {
    let address = serve(|_| async { "ok".into() });
    let plan = plan(class("quote", "/", 100.0, ms(60_000)));
    let (running, mut controls) = start(&plan, address).await.unwrap();
    drop(running);
    // The channel closes when the send loop is gone.
    while controls.seen.recv().await.is_some() {}
}

#[tokio::test]
async fn keys_are_unique_but_for_the_repeats_that_were_planned() {
    let (keys, mut received) = mpsc::unbounded_channel();
    let address = serve(move |request| {
        let keys = keys.clone();
        async move {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(query, format!("key={}", body["key"].as_str().unwrap()));
            keys.send((query, body["account"].as_u64().unwrap()))
                .unwrap();
            "ok".into()
        }
    });
    let mut class = class("buy", "/tx?key={key}", 400.0, ms(500));
    class.method = Method::POST;
    let body = Template::new(r#"{"key":"{key}","account":{account}}"#);
    class.body = Some(Body::Filled(body));
    class.repeat = Some(Repeat { every: 20, lag: 7 });
    let recording = run(plan(class), address).await;
    assert_eq!(recording.ended(OK), 200);

    let mut times: HashMap<_, u32> = HashMap::new();
    while let Ok(key) = received.try_recv() {
        *times.entry(key).or_default() += 1;
    }
    assert_eq!(times.len(), 190);
    assert_eq!(times.values().filter(|times| **times == 2).count(), 10);
    assert_eq!(times[&("key=test-buy-12".to_owned(), 12)], 2);
    assert_eq!(recording.samples.iter().filter(|s| s.key == 12).count(), 2);
}

#[tokio::test]
async fn load_follows_the_replicas_that_are_ready() {
    let (answers, mut answered) = mpsc::unbounded_channel();
    let replica = |name: &'static str| {
        let answers = answers.clone();
        serve(move |_| {
            let _ = answers.send(name);
            async { "ok".into() }
        })
    };
    let (first, second) = (replica("first"), replica("second"));
    let plan = plan(class("quote", "/", 100.0, ms(1000)));
    let (running, mut controls) = start(&plan, first).await.unwrap();
    let mut broken = 0;
    for targets in [vec![first, second], vec![second], vec![]] {
        for _ in 0..20 {
            let sample = controls.seen.recv().await.unwrap();
            broken += usize::from(sample.end == End::Broken(Cause::NoTarget));
        }
        let api = targets.into_iter().map(Into::into).collect();
        controls.targets.send_modify(|targets| targets.api = api);
    }
    let recording = finish(&plan, running, &mut controls).await;
    let mut count = |name| {
        let answers: Vec<_> = std::iter::from_fn(|| answered.try_recv().ok()).collect();
        answers.iter().filter(|answer| **answer == name).count()
    };
    // About 20 by the first alone, 20 by turns, 20 by the second alone.
    let by_first = count("first");
    assert!((22..=40).contains(&by_first), "{by_first} by the first");
    // With nobody left to ask, a request fails; it doesn't vanish.
    broken += recording.ended(End::Broken(Cause::NoTarget));
    assert!((20..=41).contains(&broken), "{broken} to nobody");
    // The second replica's connections were opened during the run.
    assert_eq!(recording.connects.before, 2);
    assert!(recording.connects.after_start >= 1);
}

/// The server closes after each answer without a word of it in the headers.
#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request() {
    let address = with_each(async |mut stream| {
        let _ = stream.read(&mut [0; 1024]).await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let _ = stream.write_all(answer).await;
    });
    // Far apart: the answer is there somewhat before the end of the connection.
    let recording = run(plan(class("quote", "/", 10.0, ms(1000))), address).await;
    assert_eq!(recording.ended(OK), 10);
    assert_eq!(recording.connects.after_start, 8);
}

/// It comes faster than it is read, and never ends.
#[tokio::test]
async fn an_answer_without_end_is_given_up_in_time() {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let listener = listener.into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&vec![b'x'; 64 * 1024]).is_ok() {}
            });
        }
    });
    let mut class = class("quote", "/", 20.0, ms(100));
    class.timeout = ms(300);
    let recording = run(plan(class), address).await;
    assert_eq!(recording.ended(End::TimedOut), 2);
    for sample in &recording.samples {
        assert!(sample.first_byte.is_some());
        // A second and more would be the end of the wait, and not of the request.
        assert!(sample.latency() < ms(5000), "{:?}", sample.latency());
    }
}

/// A head of more than one read, then chunks that dribble in.
#[tokio::test]
async fn an_answer_in_pieces_keeps_its_connection() {
    let address = with_each(async |mut stream| {
        let long = "x".repeat(20_000);
        let head = format!("HTTP/1.1 200 OK\r\nx: {long}\r\ntransfer-encoding: chunked\r\n\r\n");
        while hears(&mut stream).await {
            for piece in [
                &head[..9_000],
                &head[9_000..],
                "5\r",
                "\nhel",
                "lo\r\n0\r\n\r\n",
            ] {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::time::sleep(ms(2)).await;
            }
        }
    });
    let mut plan = plan(class("quote", "/", 20.0, ms(500)));
    // One for each, should the machine pause.
    plan.connections_per_target = 10;
    let recording = run(plan, address).await;
    assert_eq!(recording.ended(OK), 10);
    assert_eq!(recording.connects.after_start, 0);
}

/// The server says that it closes, and does not close.
#[tokio::test]
async fn a_connection_that_will_be_closed_carries_nothing_more() {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
            open.push(stream);
        }
    });
    let mut plan = plan(class("quote", "/", 50.0, ms(200)));
    plan.connections_per_target = 1;
    let recording = run(plan, address).await;
    assert_eq!(recording.ended(OK), 10);
    assert_eq!(recording.connects.after_start, 9);
}

/// Cuts the connection on the first request of every fifth key, and answers all others with their query. It has heard
/// each request once when its answer comes.
fn forgetful() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (hear, heard) = mpsc::unbounded_channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let known = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, hear, known) = (stream.unwrap(), hear.clone(), known.clone());
            thread::spawn(move || {
                let mut request = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut request) {
                    let text = String::from_utf8_lossy(&request[..length]);
                    let query = text.split([' ', '?']).nth(2).unwrap().to_owned();
                    let key: u64 = query.rsplit('-').next().unwrap().parse().unwrap();
                    let _ = hear.send(query.clone());
                    if key.is_multiple_of(5) && known.lock().unwrap().insert(key) {
                        return;
                    }
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{query}",
                        query.len()
                    );
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (address, heard)
}

#[tokio::test]
async fn a_client_without_an_answer_asks_again_until_it_has_one() {
    let (address, mut heard) = forgetful();
    let mut class = class("buy", "/tx?{key}", 100.0, ms(1000));
    class.method = Method::POST;
    class.again = Some(Again {
        after: ms(150),
        times: 3,
        statuses: Vec::new(),
    });
    class.keeps_answers = true;
    let plan = plan(class);
    let (running, mut controls) = start(&plan, address).await.unwrap();
    let recording = finish(&plan, running, &mut controls).await;

    let again: Vec<&Sample> = recording.samples.iter().filter(|s| s.attempt > 0).collect();
    // 20 keys of 100 are cut off, and those of the last 150 to 300 ms have no time left to ask again.
    assert!((13..=17).contains(&again.len()), "{}", again.len());
    assert_eq!(recording.ledger[0].again, again.len() as u64);
    assert_eq!(recording.ledger[0].planned, 100);
    for sample in again {
        assert_eq!((sample.attempt, sample.end), (1, OK));
        let first = recording
            .samples
            .iter()
            .find(|s| s.key == sample.key)
            .unwrap();
        assert_eq!(first.end, End::Broken(Cause::Closed));
        let waited = sample.intended.abs_diff(first.done);
        assert!((ms(150)..=ms(300)).contains(&waited), "{waited:?}");
        assert!(sample.written.unwrap() >= sample.intended, "never early");
    }
    let told: Vec<Told> = std::iter::from_fn(|| controls.told.try_recv().ok()).collect();
    assert_eq!(told.len(), recording.ended(OK));
    for told in &told {
        assert_eq!(told.body, format!("test-buy-{}", told.key).as_bytes());
    }
    let mut asked: HashMap<String, u32> = HashMap::new();
    while let Ok(query) = heard.try_recv() {
        *asked.entry(query).or_default() += 1;
    }
    assert!(asked.values().all(|times| *times <= 2));
}

#[tokio::test]
async fn nobody_asks_more_often_than_the_plan_says_nor_after_its_end() {
    let address = serve(|_| async { "no".into() });
    let mut class = class("buy", "/", 19.0, ms(1000));
    // The last one comes two seconds after the others, so that their answers may be late.
    class.schedule.stretches.push(Stretch {
        length: ms(4000),
        shape: Shape::Constant(0.25.try_into().unwrap()),
    });
    class.again = Some(Again {
        after: ms(20),
        times: 2,
        statuses: vec![200],
    });
    let last = class.schedule.extent().1.unwrap();
    let recording = run(plan(class), address).await;
    let attempts = |attempt| {
        recording
            .samples
            .iter()
            .filter(|s| s.attempt == attempt)
            .count()
    };
    assert_eq!(attempts(0), 20);
    assert!(
        attempts(1) >= 15 && attempts(2) >= 15,
        "but for the last ones"
    );
    assert_eq!(attempts(3), 0);
    assert!(recording.samples.iter().all(|s| s.intended <= last));
}
