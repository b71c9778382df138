//! Clients that want too much, too long.

use std::{
    io::{BufRead, Read, Write},
    time::{Duration, Instant},
};

use crate::attack::{Answer, Guide};

#[test]
fn a_huge_body_is_refused() {
    let guide = Guide::open();
    let cookie = guide.enter();
    let body = format!(r#"{{"action":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(guide.act(&cookie, "/lab/run", &body, &[]).status, 413);
}

#[test]
fn a_huge_head_is_refused() {
    let guide = Guide::open();
    let long = "x".repeat(256 * 1024);
    let answer = guide.get("/", &[("x-long", &long)]);
    assert!(matches!(answer.status, 400 | 431), "{}", answer.status);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let guide = Guide::open();
    let cookie = guide.enter();
    let host = guide.host();
    let mut stream = guide.connect();
    write!(
        stream,
        "POST /lab/run HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {cookie}\r\n\
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
    let cookie = guide.enter();
    let followers: Vec<_> = (0..150).map(|_| guide.follow(&cookie)).collect();
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
    crate::attack::wait_until("a free place", || guide.follow(&cookie).0 == 200);
}

#[test]
fn who_follows_is_told_where_things_stand() {
    let guide = Guide::open();
    let cookie = guide.enter();
    let (status, reader) = guide.follow(&cookie);
    assert_eq!(status, 200);
    let hello = reader
        .lines()
        .map_while(Result::ok)
        .skip_while(|line| line != "event: hello")
        .nth(1)
        .unwrap();
    assert_eq!(hello, r#"data: {"running":null,"last":null}"#);
}
