//! Who may read, and what the answers give away.

use crate::attack::Guide;

#[test]
fn a_foreign_host_is_refused_on_every_route() {
    let guide = Guide::open();
    let token = guide.enter();
    let port = guide.port;
    let other_port = format!("127.0.0.1:{}", port.wrapping_add(1));
    let rebound = format!("rebind.example:{port}");
    let lookalike = format!("127.0.0.1.rebind.example:{port}");
    for host in [
        other_port.as_str(),
        &rebound,
        &lookalike,
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "",
    ] {
        for path in ["/", "/live", "/reports/", "/lab/events", "/none"] {
            let answer = guide.send(
                "GET",
                path,
                &[("host", host), ("authorization", &token)],
                "",
            );
            assert_eq!(answer.status, 421, "{host} {path}");
            assert!(!answer.body.contains("<html"), "{host} {path}");
        }
        let acted = guide.act(
            &token,
            "/lab/run",
            r#"{"action":"touch"}"#,
            &[("host", host)],
        );
        assert_eq!(acted.status, 421, "{host}");
    }
    assert!(!guide.path("touched").exists());
}

#[test]
fn two_hosts_or_another_in_the_target_are_refused() {
    let guide = Guide::open();
    let ours = guide.host();
    let two = [("host", ours.as_str()), ("host", "rebind.example")];
    assert!(matches!(guide.send("GET", "/", &two, "").status, 400 | 421));
    let absolute = guide.send("GET", "http://rebind.example/", &[("host", &ours)], "");
    assert_eq!(absolute.status, 421);
    assert_eq!(guide.send("GET", "/", &[], "").status, 421);
}

#[test]
fn our_other_name_leads_to_the_one_origin_there_is() {
    let guide = Guide::open();
    assert_eq!(guide.get("/", &[]).status, 200);
    let token = guide.enter();
    let host = format!("localhost:{}", guide.port);
    let headers = [("host", host.as_str()), ("authorization", &token)];
    for path in ["/", "/step.html?search=a", "//evil.example", "/live"] {
        let answer = guide.send("GET", path, &headers, "");
        let there = format!("http://{}{path}", guide.host());
        let said = (answer.status, answer.header("location"));
        assert_eq!(said, (307, Some(there.as_str())));
    }
    let touch = r#"{"action":"touch"}"#;
    let origin = format!("http://{host}");
    let changes = [("host", host.as_str()), ("origin", &origin)];
    assert_eq!(guide.act(&token, "/lab/run", touch, &changes).status, 421);
}

#[test]
fn it_listens_on_this_machine_only() {
    let guide = Guide::open();
    // Where it listened on all addresses, this machine's other names would answer as well.
    let answers = std::process::Command::new("hostname")
        .arg("-I")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    for address in answers
        .split_whitespace()
        .filter(|address| address.contains('.'))
    {
        let there = std::net::TcpStream::connect((address, guide.port));
        assert!(there.is_err(), "answers on {address}");
    }
}

#[test]
fn pages_can_be_read_without_a_session_and_hold_no_secret() {
    let guide = Guide::open();
    let shown = guide.enter();
    let token = shown.strip_prefix("Bearer ").unwrap();
    for path in ["/", "/index.html", "/print.html", "/none", "/lab/events"] {
        for headers in [vec![], vec![("authorization", shown.as_str())]] {
            if path == "/lab/events" && !headers.is_empty() {
                continue;
            }
            let answer = guide.get(path, &headers);
            let all = format!("{answer:?}");
            assert!(!all.contains(token), "{path}");
            assert!(!all.contains(&guide.ticket), "{path}");
        }
    }
    assert_eq!(guide.get("/", &[]).status, 200);
}

#[test]
fn nothing_is_given_that_travels_to_another_port() {
    let guide = Guide::open();
    let shown = guide.enter();
    let again = guide.next_ticket();
    let answers = [
        guide.get("/", &[]),
        guide.get("/", &[("authorization", &shown)]),
        guide.get(&format!("/?token={}", guide.ticket), &[]),
        guide.present(&again),
        guide.act(&shown, "/lab/cancel", "{}", &[]),
    ];
    for answer in answers {
        assert_eq!(answer.header("set-cookie"), None, "{answer:?}");
        // Nor would a password that the browser asks for stay with this port.
        assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
    }
}

#[test]
fn the_link_is_good_once_and_the_next_is_printed() {
    let guide = Guide::open();
    assert_eq!(guide.ticket.len(), 64);
    assert_eq!(guide.present("guess").status, 403);
    assert_eq!(guide.present("").status, 403);

    let answer = guide.present(&guide.ticket);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(
        !answer.body.contains(&guide.ticket),
        "the link is not the session"
    );

    let again = guide.present(&guide.ticket);
    assert_eq!(again.status, 403);
    assert!(again.body.contains("used already"), "{}", again.body);
    let next = guide.next_ticket();
    assert_ne!(next, guide.ticket);
    assert_eq!(guide.present(&next).status, 200);
}

#[test]
fn events_need_the_session_and_our_own_page() {
    let guide = Guide::open();
    let token = guide.enter();
    for headers in [vec![], vec![("authorization", "Bearer guess")]] {
        assert_eq!(guide.get("/lab/events", &headers).status, 403);
    }
    for site in ["cross-site", "same-site", "none"] {
        let headers = [("authorization", token.as_str()), ("sec-fetch-site", site)];
        assert_eq!(guide.get("/lab/events", &headers).status, 403, "{site}");
    }
    assert_eq!(guide.follow(&token).0, 200);
}

#[test]
fn no_other_origin_is_ever_let_in() {
    let guide = Guide::open();
    let token = guide.enter();
    for path in ["/", "/reports/", "/lab/run", "/none"] {
        for method in ["GET", "OPTIONS", "POST"] {
            let host = guide.host();
            let headers = [
                ("host", host.as_str()),
                ("origin", "http://evil.example"),
                ("authorization", &token),
                ("access-control-request-method", "POST"),
            ];
            let answer = guide.send(method, path, &headers, "");
            let cors = answer
                .headers
                .iter()
                .find(|(name, _)| name.starts_with("access-control"));
            assert_eq!(cors, None, "{method} {path}");
        }
    }
}
