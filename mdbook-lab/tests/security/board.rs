//! The board: who reads it, who acts, and how much of it anybody can take up.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    attack::{Answer, Guide},
    room::{Room, code},
};

/// All that wants a right, with a body for it.
fn doors() -> [(&'static str, &'static str, String); 5] {
    [
        ("GET", "/board/rows", String::new()),
        ("GET", "/board/export.csv", String::new()),
        (
            "POST",
            "/board/codes",
            json!({"codes": [code("eve", 1, 100)]}).to_string(),
        ),
        (
            "POST",
            "/board/paste",
            json!({"text": code("eve", 1, 100)}).to_string(),
        ),
        ("POST", "/board/reset", "{}".to_owned()),
    ]
}

/// A request with the headers that a page of the board sends, some of them replaced.
fn ask(room: &Room, door: &(&str, &str, String), token: &str, changes: &[(&str, &str)]) -> Answer {
    let host = room.server.host();
    let origin = format!("http://{host}");
    let mut headers = Guide::own_headers(&host, &origin, token);
    for (name, value) in changes {
        headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            headers.push((name, value));
        }
    }
    room.server.send(door.0, door.1, &headers, &door.2)
}

#[test]
fn without_a_right_nothing_is_read_and_nothing_is_done() {
    let room = Room::open();
    let bare = room.key.replace("Bearer ", "");
    let wrong = format!("Bearer {}", "0".repeat(64));
    let link = format!("Bearer {}", room.server.ticket);
    for door in doors() {
        for token in ["", &wrong, &bare, &link, "Bearer "] {
            let answer = ask(&room, &door, token, &[]);
            assert_eq!(answer.status, 403, "{door:?} {token}");
        }
        let cookie = format!("key={bare}; token={bare}");
        let answer = ask(
            &room,
            &door,
            "",
            &[("authorization", ""), ("cookie", &cookie)],
        );
        assert_eq!(answer.status, 403, "{door:?}");
        let in_address = (door.0, format!("{}?key={bare}", door.1), door.2);
        let door = (in_address.0, in_address.1.as_str(), in_address.2);
        assert_ne!(ask(&room, &door, "", &[]).status, 200, "{door:?}");
    }
    assert_eq!(room.rows(), json!([]));
    let page = room.server.get("/", &[]);
    assert!(
        page.status == 200 && !page.body.contains(&bare),
        "the page has no secret"
    );
}

#[test]
fn the_key_of_the_room_reads_and_posts_and_does_nothing_else() {
    let room = Room::open();
    let statuses = doors().map(|door| ask(&room, &door, &room.key, &[]).status);
    assert_eq!(statuses, [200, 403, 200, 403, 403]);
    assert_eq!(room.rows().as_array().unwrap().len(), 1);
}

#[test]
fn pages_of_strangers_and_other_names_get_nothing_even_with_a_right() {
    let room = Room::open();
    let token = room.enter();
    let port = room.server.port;
    for door in doors() {
        for host in [
            "evil.example",
            "127.0.0.1",
            &format!("evil.example:{port}"),
            "0.0.0.0:80",
        ] {
            assert_eq!(
                ask(&room, &door, &token, &[("host", host)]).status,
                421,
                "{door:?} {host}"
            );
        }
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(
                ask(&room, &door, &token, &[("sec-fetch-site", site)]).status,
                403,
                "{door:?} {site}"
            );
        }
        if door.0 == "POST" {
            for origin in [
                "null",
                "http://evil.example",
                &format!("http://localhost:{port}"),
            ] {
                assert_eq!(
                    ask(&room, &door, &token, &[("origin", origin)]).status,
                    403,
                    "{door:?} {origin}"
                );
            }
            let form = [("content-type", "text/plain")];
            assert_eq!(ask(&room, &door, &token, &form).status, 415, "{door:?}");
        }
    }
    assert_eq!(room.rows(), json!([]));
}

#[test]
fn the_link_is_good_once() {
    let room = Room::open();
    room.enter();
    let body = json!({"ticket": room.server.ticket}).to_string();
    assert_eq!(room.server.act("", "/board/enter", &body, &[]).status, 403);
}

#[test]
fn every_answer_is_hardened_and_no_page_frames_the_board() {
    let room = Room::open();
    for path in [
        "/",
        "/board/rows",
        "/board/part/board.js",
        "/none",
        "/board/part/../../etc/passwd",
    ] {
        let answer = room.server.get(path, &[]);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{path}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn a_post_that_is_too_large_or_never_ends_is_refused() {
    let room = Room::open();
    let many: Vec<String> = (0..2000).map(|n| code("eve", n, 1)).collect();
    assert_eq!(room.post(&many).unwrap().status, 413);
    for nonsense in [
        "",
        "[]",
        "{\"codes\":1}",
        "{\"codes\":[],\"run\":\"step1\"}",
        "\u{0}",
    ] {
        let door = ("POST", "/board/codes", nonsense.to_owned());
        assert_eq!(ask(&room, &door, &room.key, &[]).status, 400, "{nonsense}");
    }
    let mut stream = room.server.connect();
    write!(
        stream,
        "POST /board/codes HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: 20\r\nconnection: close\r\n\r\n{{",
        room.server.host(),
        room.key
    )
    .unwrap();
    let start = Instant::now();
    assert_eq!(Answer::read(stream).status, 408);
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(room.rows(), json!([]));
}

#[test]
fn who_posts_without_end_is_slowed_down_and_others_still_read() {
    let room = Room::open();
    // The same codes again and again: they cost, too.
    let codes: Vec<String> = (0..50).map(|n| code("eve", n, 1)).collect();
    // 25,000 codes; what comes back each second is 100.
    let mut statuses = (0..500)
        .filter_map(|_| room.post(&codes))
        .map(|answer| answer.status);
    assert_eq!(statuses.next(), Some(200));
    assert!(statuses.any(|status| status == 429), "never");
    assert_eq!(room.rows().as_array().unwrap().len(), 1);
}

#[test]
fn a_crowd_that_says_nothing_keeps_nobody_out() {
    let room = Room::open();
    let _idle: Vec<_> = (0..300).map(|_| room.server.connect()).collect();
    assert_eq!(room.post(&[code("ada", 1, 100)]).unwrap().status, 200);
    assert_eq!(room.rows().as_array().unwrap().len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn no_process_has_the_key_in_its_arguments_and_no_other_user_reads_the_file() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let room = Room::open();
    let mode = fs::metadata(room.server.path(".lab/board.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o077, 0);
    let key = room.key.replace("Bearer ", "");
    let ids = fs::read_dir("/proc").expect("processes").flatten();
    let seen: Vec<_> = ids
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .collect();
    assert!(!seen.is_empty());
    for arguments in seen {
        assert!(!String::from_utf8_lossy(&arguments).contains(&key));
    }
}

#[test]
fn an_address_of_every_network_is_refused_by_name() {
    let project = Guide::project();
    let board = std::process::Command::new(env!("CARGO_BIN_EXE_mdbook-lab"))
        .args(["board", "--no-open", "--listen", "0.0.0.0:0"])
        .current_dir(project.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&board.stderr);
    assert!(
        board.status.code() == Some(2) && said.contains("LISTEN=192.168.1.10:8090"),
        "{said}"
    );
}
