//! Who may read, and what the answers give away.

use crate::attack::Guide;

#[test]
fn a_foreign_host_is_refused_on_every_route() {
    let guide = Guide::open();
    let cookie = guide.enter();
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
        "",
    ] {
        for path in ["/", "/index.html", "/reports/", "/lab/events", "/none"] {
            let answer = guide.send("GET", path, &[("host", host), ("cookie", &cookie)], "");
            assert_eq!(answer.status, 421, "{host} {path}");
            assert!(!answer.body.contains("<html"), "{host} {path}");
        }
        let acted = guide.act(
            &cookie,
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
fn our_own_names_are_answered() {
    let guide = Guide::open();
    for name in ["127.0.0.1", "localhost"] {
        let host = format!("{name}:{}", guide.port);
        let answer = guide.send("GET", "/", &[("host", &host)], "");
        assert_eq!(answer.status, 200, "{name}");
    }
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
    let cookie = guide.enter();
    let secret = cookie.split_once('=').unwrap().1;
    for path in ["/", "/index.html", "/print.html", "/none", "/lab/events"] {
        for headers in [vec![], vec![("cookie", cookie.as_str())]] {
            if path == "/lab/events" && !headers.is_empty() {
                continue;
            }
            let answer = guide.get(path, &headers);
            let all = format!("{answer:?}");
            assert!(!all.contains(secret), "{path}");
            assert!(!all.contains(&guide.token), "{path}");
        }
    }
    assert_eq!(guide.get("/", &[]).status, 200);
}

#[test]
fn the_link_is_good_once_and_its_cookie_is_kept_from_scripts_and_strangers() {
    let guide = Guide::open();
    let link = format!("/?token={}", guide.token);
    assert_eq!(guide.token.len(), 64);
    assert_eq!(guide.get("/?token=guess", &[]).status, 403);

    let answer = guide.get(&link, &[]);
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(
        !cookie.contains(&guide.token),
        "the link is not the session"
    );

    let again = guide.get(&link, &[]);
    assert_eq!((again.status, again.header("set-cookie")), (403, None));
    // Going back to it in the browser that is in already does no harm.
    let pair = cookie.split(';').next().unwrap();
    let back = guide.get(&link, &[("cookie", pair)]);
    assert_eq!((back.status, back.header("set-cookie")), (303, None));
}

#[test]
fn events_need_the_session_and_our_own_page() {
    let guide = Guide::open();
    let cookie = guide.enter();
    assert_eq!(guide.get("/lab/events", &[]).status, 403);
    assert_eq!(
        guide
            .get("/lab/events", &[("cookie", "lab-guide=x")])
            .status,
        403
    );
    for site in ["cross-site", "same-site", "none"] {
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site)];
        assert_eq!(guide.get("/lab/events", &headers).status, 403, "{site}");
    }
    assert_eq!(guide.follow(&cookie).0, 200);
}

#[test]
fn no_other_origin_is_ever_let_in() {
    let guide = Guide::open();
    let cookie = guide.enter();
    for path in ["/", "/reports/", "/lab/run", "/none"] {
        for method in ["GET", "OPTIONS", "POST"] {
            let host = guide.host();
            let headers = [
                ("host", host.as_str()),
                ("origin", "http://evil.example"),
                ("cookie", &cookie),
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
