//! Clients that want too much, too long.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::attack::{Answer, Guide, wait_until};

#[test]
fn a_huge_body_is_refused() {
    let guide = Guide::open();
    let token = guide.enter();
    let body = format!(r#"{{"action":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(guide.act(&token, "/lab/run", &body, &[]).status, 413);
}

#[test]
fn a_huge_head_is_refused() {
    let guide = Guide::open();
    let long = "x".repeat(2 * 1024 * 1024);
    let answer = guide.get("/", &[("x-long", &long)]);
    assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let guide = Guide::open();
    let token = guide.enter();
    let host = guide.host();
    let mut stream = guide.connect();
    write!(
        stream,
        "POST /lab/run HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nauthorization: {token}\r\n\
         content-type: application/json\r\ncontent-length: 20\r\nconnection: close\r\n\r\n{{"
    )
    .unwrap();
    let start = Instant::now();
    assert_eq!(Answer::read(stream).status, 408);
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_head_that_never_ends_is_not_waited_for() {
    let guide = Guide::open();
    let mut stream = guide.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nx-slow: ").unwrap();
    let start = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn hundreds_of_idle_followers_are_turned_away_and_pages_still_come() {
    let guide = Guide::open();
    let token = guide.enter();
    let followers: Vec<_> = (0..150).map(|_| guide.follow(&token)).collect();
    let let_in = followers
        .iter()
        .filter(|(status, _)| *status == 200)
        .count();
    let turned_away = followers
        .iter()
        .filter(|(status, _)| *status == 503)
        .count();
    assert_eq!((let_in, turned_away), (32, 118));
    assert_eq!(guide.get("/", &[]).status, 200);

    drop(followers);
    // Their places are free when the server has seen them go.
    wait_until("a free place", || guide.follow(&token).0 == 200);
}

#[test]
fn who_follows_is_told_where_things_stand() {
    let guide = Guide::open();
    let token = guide.enter();
    let (status, reader) = guide.follow(&token);
    assert_eq!(status, 200);
    let hello = reader
        .lines()
        .map_while(Result::ok)
        .skip_while(|line| line != "event: hello")
        .nth(1)
        .unwrap();
    assert_eq!(hello, r#"data: {"running":null,"last":null}"#);
}

/// The largest file of the book, by its path.
fn largest(guide: &Guide) -> String {
    let page = guide.get("/", &[]).body;
    let sources = page.split("src=\"").skip(1);
    let paths = sources.filter_map(|rest| rest.split('"').next());
    let length = |path: &str| {
        let answer = guide.get(&format!("/{path}"), &[]);
        let length = answer.header("content-length").unwrap_or_default();
        length.parse().unwrap_or(0)
    };
    let largest = paths.max_by_key(|path| -> u64 { length(path) });
    format!("/{}", largest.expect("a script"))
}

/// A client that asks for a lot and takes as good as nothing of it.
fn never_reads(guide: &Guide, path: &str) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    // Before it connects: the window is agreed upon then.
    sockopt::set_socket_recv_buffer_size(&socket, 2048).expect("a small buffer");
    let there = SocketAddrV4::new(Ipv4Addr::LOCALHOST, guide.port);
    connect(&socket, &there).expect("it listens");
    let mut stream = TcpStream::from(socket);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", guide.host());
    // It may be shown the door at once.
    let _ = stream.write_all(request.repeat(40).as_bytes());
    stream
}

/// What the owner does: read a page, run something, follow it. As a browser does, they ask again where a
/// connection ends without a word: one that is slow to say what it wants may have to make room.
fn owner_is_served(guide: &Guide, token: &str, follower: &mut BufReader<TcpStream>) {
    let start = Instant::now();
    let host = guide.host();
    let is = |answer: Option<Answer>, status| answer.is_some_and(|answer| answer.status == status);
    wait_until("a page", || {
        is(guide.ask("GET", "/", &[("host", &host)], ""), 200)
    });
    let touch = r#"{"action":"touch"}"#;
    wait_until("a run", || {
        is(guide.try_act(token, "/lab/run", touch, &[]), 202)
    });
    wait_until("events", || {
        guide
            .try_follow(token)
            .is_some_and(|(status, _)| status == 200)
    });
    // The page that was there before has not lost its connection.
    let mut lines = follower.lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "event: ended"), "cut off");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn clients_that_never_read_do_not_keep_the_owner_out() {
    let guide = Guide::open();
    let token = guide.enter();
    let (status, mut follower) = guide.follow(&token);
    assert_eq!(status, 200);
    let path = largest(&guide);
    let clients: Vec<_> = (0..300).map(|_| never_reads(&guide, &path)).collect();
    owner_is_served(&guide, &token, &mut follower);
    drop(clients);
}

#[test]
fn clients_that_say_nothing_do_not_keep_the_owner_out() {
    let guide = Guide::open();
    let token = guide.enter();
    let (status, mut follower) = guide.follow(&token);
    assert_eq!(status, 200);
    let clients: Vec<_> = (0..300).map(|_| guide.connect()).collect();
    owner_is_served(&guide, &token, &mut follower);
    drop(clients);
}

#[test]
fn clients_that_come_again_and_again_do_not_keep_the_owner_out() {
    let guide = Guide::open();
    let token = guide.enter();
    let (status, mut follower) = guide.follow(&token);
    assert_eq!(status, 200);
    let path = largest(&guide);
    let is_over = AtomicBool::new(false);
    let came = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut held = VecDeque::new();
                while !is_over.load(Ordering::Relaxed) {
                    held.push_back(never_reads(&guide, &path));
                    came.fetch_add(1, Ordering::Relaxed);
                    if held.len() > 60 {
                        held.pop_front();
                    }
                }
            });
        }
        wait_until("a crowd", || came.load(Ordering::Relaxed) > 500);
        while_it_lasts(&is_over, || owner_is_served(&guide, &token, &mut follower));
    });
}

/// Ends an attack with what is done under it, however that ends.
fn while_it_lasts(is_over: &AtomicBool, done: impl FnOnce()) {
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let _end = End(is_over);
    done();
}

#[test]
fn clients_that_read_a_little_now_and_then_do_not_keep_the_owner_out() {
    let guide = Guide::open();
    let token = guide.enter();
    let (status, mut follower) = guide.follow(&token);
    assert_eq!(status, 200);
    let path = largest(&guide);
    let is_over = AtomicBool::new(false);
    let rounds = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let new = || {
                let client = never_reads(&guide, &path);
                client.set_nonblocking(true).expect("set");
                client
            };
            let mut clients: Vec<_> = (0..200).map(|_| new()).collect();
            while !is_over.load(Ordering::Relaxed) {
                for client in &mut clients {
                    match client.read(&mut [0; 512]) {
                        Ok(1..) => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        // Shown the door, it comes again.
                        _ => *client = new(),
                    }
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        wait_until("a crowd", || rounds.load(Ordering::Relaxed) > 3);
        while_it_lasts(&is_over, || owner_is_served(&guide, &token, &mut follower));
    });
}

#[test]
fn who_takes_nothing_is_not_waited_for() {
    let guide = Guide::open();
    let path = largest(&guide);
    let client = never_reads(&guide, &path);
    // It has what fits into its buffer and is sent nothing more: the server has let it go.
    wait_until("let go", || matches!(client.take_error(), Ok(Some(_))));
}

#[test]
fn a_browser_laden_with_cookies_of_another_port_is_served() {
    let guide = Guide::open();
    let token = guide.enter();
    // What Chromium keeps for a host at most: 180 cookies of 4 KiB.
    let cookie: Vec<_> = (0..180)
        .map(|number| format!("c{number}={}", "x".repeat(4090)))
        .collect();
    let cookie = cookie.join("; ");
    let headers = [("cookie", cookie.as_str()), ("authorization", &token)];
    assert_eq!(guide.get("/", &headers).status, 200);
    let touch = r#"{"action":"touch"}"#;
    let answer = guide.act(&token, "/lab/run", touch, &[("cookie", &cookie)]);
    assert_eq!(answer.status, 202);
}
