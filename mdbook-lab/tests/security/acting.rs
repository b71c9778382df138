//! Who may make it do something, and what it can be made to do.

use crate::attack::{Guide, wait_until};

const TOUCH: &str = r#"{"action":"touch"}"#;

/// Sends what must be refused with `status`, and sees that nothing was done.
fn refused(changes: &[(&str, &str)], status: u16) {
    let guide = Guide::open();
    let token = guide.enter();
    for path in ["/lab/run", "/lab/cancel"] {
        let body = if path == "/lab/run" { TOUCH } else { "{}" };
        let answer = guide.act(&token, path, body, changes);
        assert_eq!(answer.status, status, "{path} {changes:?}: {answer:?}");
    }
    // The same as it should be goes through: it was refused for that alone.
    assert_eq!(guide.act(&token, "/lab/run", TOUCH, &[]).status, 202);
    let touched = || std::fs::read_to_string(guide.path("touched")).unwrap_or_default();
    wait_until("touched", || touched().ends_with('\n'));
    let times = touched();
    assert_eq!(times.trim(), "once", "{changes:?}");
}

#[test]
fn a_foreign_origin_is_refused() {
    refused(&[("origin", "http://evil.example")], 403);
}

#[test]
fn a_null_origin_is_refused() {
    refused(&[("origin", "null")], 403);
}

#[test]
fn a_missing_origin_is_refused() {
    refused(&[("origin", "")], 403);
}

#[test]
fn another_port_of_this_machine_is_refused() {
    refused(&[("origin", "http://127.0.0.1:1")], 403);
    refused(&[("sec-fetch-site", "same-site")], 403);
}

#[test]
fn our_other_name_is_another_origin() {
    let guide = Guide::open();
    let token = guide.enter();
    let origin = format!("http://localhost:{}", guide.port);
    let answer = guide.act(&token, "/lab/run", TOUCH, &[("origin", &origin)]);
    assert_eq!(answer.status, 403);
}

#[test]
fn a_cross_site_request_is_refused() {
    refused(&[("sec-fetch-site", "cross-site")], 403);
}

#[test]
fn a_form_in_disguise_is_refused() {
    refused(&[("content-type", "text/plain")], 415);
    refused(
        &[("content-type", "application/x-www-form-urlencoded")],
        415,
    );
    refused(&[("content-type", "text/plain; application/json")], 415);
    refused(&[("content-type", "")], 415);
}

#[test]
fn a_missing_or_wrong_session_is_refused() {
    refused(&[("authorization", "")], 403);
    refused(&[("authorization", "Bearer guess")], 403);
    refused(&[("authorization", "Basic bGFiOmxhYg==")], 403);
}

#[test]
fn the_session_counts_nowhere_but_in_its_header() {
    let guide = Guide::open();
    let shown = guide.enter();
    let token = shown.strip_prefix("Bearer ").unwrap();
    for name in ["lab-session", "token", &format!("lab-guide-{}", guide.port)] {
        let cookie = format!("{name}={token}");
        let changes = [("authorization", ""), ("cookie", cookie.as_str())];
        assert_eq!(guide.act("", "/lab/run", TOUCH, &changes).status, 403);
    }
    for path in ["/lab/run?token=", "/lab/run?authorization=Bearer%20"] {
        let path = format!("{path}{token}");
        assert_eq!(guide.act("", &path, TOUCH, &[]).status, 403);
    }
    let bare = [("authorization", token)];
    assert_eq!(guide.act("", "/lab/run", TOUCH, &bare).status, 403);
    assert!(!guide.path("touched").exists());
}

#[test]
fn the_links_secret_is_not_the_sessions() {
    let guide = Guide::open();
    for secret in [guide.ticket.clone(), "0".repeat(64)] {
        let shown = format!("Bearer {secret}");
        assert_eq!(guide.act(&shown, "/lab/run", TOUCH, &[]).status, 403);
    }
    let shown = guide.enter();
    let session = shown.strip_prefix("Bearer ").unwrap();
    assert_ne!(session, guide.ticket);
    assert_eq!(guide.present(session).status, 403);
}

#[test]
fn a_ticket_is_taken_from_our_own_page_alone() {
    let guide = Guide::open();
    let body = format!(r#"{{"ticket":"{}"}}"#, guide.ticket);
    for (name, value, status) in [
        ("origin", "http://evil.example", 403),
        ("origin", "http://127.0.0.1:1", 403),
        ("origin", "null", 403),
        ("origin", "", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("content-type", "text/plain", 415),
        ("host", "rebind.example", 421),
    ] {
        let answer = guide.act("", "/lab/enter", &body, &[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    let in_address = format!("/lab/enter?ticket={}", guide.ticket);
    assert_eq!(guide.get(&in_address, &[]).status, 405);
    assert_eq!(guide.present(&guide.ticket).status, 200, "it is good still");
}

#[test]
fn a_get_does_nothing() {
    let guide = Guide::open();
    let token = guide.enter();
    for path in ["/lab/run", "/lab/run?action=touch", "/lab/cancel"] {
        let answer = guide.get(path, &[("authorization", &token)]);
        assert_eq!(answer.status, 405, "{path}");
    }
    assert!(!guide.path("touched").exists());
}

#[test]
fn only_what_the_pages_declare_is_run() {
    let guide = Guide::open();
    let token = guide.enter();
    for action in [
        // In the Makefile, but on no page.
        "undeclared",
        "none",
        "",
        "touch;touch x",
        "touch undeclared",
        "touch\\nundeclared",
        "-f/dev/stdin",
        "--eval=x:;touch x",
        "SHELL=/bin/false",
        "../touch",
        "example:../../etc/passwd",
        "example:--config=x",
        "$(touch x)",
        "TOUCH",
    ] {
        let body = format!(r#"{{"action":"{action}"}}"#);
        let answer = guide.act(&token, "/lab/run", &body, &[]);
        assert_eq!(answer.status, 404, "{action}: {answer:?}");
    }
    for body in [
        "touch",
        r#"{"action":["touch"]}"#,
        r#"{"action":"touch","cwd":"/"}"#,
        r#"{"action":"touch"} {"action":"undeclared"}"#,
        "{}",
        "",
    ] {
        let answer = guide.act(&token, "/lab/run", body, &[]);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    assert!(!guide.path("touched").exists());
    assert!(!guide.path("undeclared-ran").exists());
}

#[test]
fn a_guess_is_a_number_and_goes_with_a_step_that_asks() {
    let guide = Guide::open();
    let token = guide.enter();
    for guess in [
        r#""80""#,
        r#""80;touch x""#,
        r#""$(shell touch x)""#,
        "[80]",
        r#"{"a":80}"#,
        "true",
        "1e999",
        "NaN",
        "-1",
        "1e7",
        "080",
        "80, \"cwd\": \"/\"",
    ] {
        let body = format!(r#"{{"action":"step2","guess":{guess}}}"#);
        let answer = guide.act(&token, "/lab/run", &body, &[]);
        assert_eq!(answer.status, 400, "{guess}: {answer:?}");
    }
    for action in ["touch", "wait"] {
        let body = format!(r#"{{"action":"{action}","guess":80}}"#);
        let answer = guide.act(&token, "/lab/run", &body, &[]);
        assert_eq!(answer.status, 400, "{action}: {answer:?}");
    }
    assert!(!guide.path("touched").exists() && !guide.path("reports").exists());
    // The number arrives, written anew.
    let body = r#"{"action":"step2","guess":8.05e1}"#;
    assert_eq!(guide.act(&token, "/lab/run", body, &[]).status, 202);
    wait_until("the guess", || {
        let said = std::fs::read_to_string(guide.path("guessed"));
        said.is_ok_and(|said| said == "80.5\n")
    });
}

#[test]
fn one_command_at_a_time_and_cancelling_ends_all_of_it() {
    let guide = Guide::open();
    let token = guide.enter();
    let wait = r#"{"action":"wait"}"#;
    assert_eq!(guide.act(&token, "/lab/cancel", "{}", &[]).status, 409);
    assert_eq!(guide.act(&token, "/lab/run", wait, &[]).status, 202);
    assert_eq!(guide.act(&token, "/lab/run", TOUCH, &[]).status, 409);
    wait_until("waiting", || guide.path("waiting").exists());
    let child = std::fs::read_to_string(guide.path("waiting")).unwrap();
    assert_eq!(guide.act(&token, "/lab/cancel", "{}", &[]).status, 202);
    wait_until("gone", || !is_alive(child.trim()));
    wait_until("free again", || {
        guide.act(&token, "/lab/run", TOUCH, &[]).status == 202
    });
}

#[test]
fn ending_the_server_ends_what_it_runs() {
    let mut guide = Guide::open();
    let token = guide.enter();
    let wait = r#"{"action":"wait"}"#;
    assert_eq!(guide.act(&token, "/lab/run", wait, &[]).status, 202);
    wait_until("waiting", || guide.path("waiting").exists());
    let child = std::fs::read_to_string(guide.path("waiting")).unwrap();
    assert!(is_alive(child.trim()));
    assert!(guide.end("-INT").success());
    assert!(!is_alive(child.trim()), "left running");
}

/// A process that runs, and is not one that only waits to be reaped.
fn is_alive(id: &str) -> bool {
    if cfg!(target_os = "linux") {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
        return state.is_ok_and(|state| !state.contains(") Z "));
    }
    let state = std::process::Command::new("ps")
        .args(["-o", "stat=", "-p", id])
        .output()
        .expect("ps");
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn a_session_ends_with_its_server() {
    let guide = Guide::open();
    let token = guide.enter();
    let (port, ticket) = (guide.port, guide.next_ticket());
    let guide = guide.again();
    assert_eq!(guide.port, port);
    assert_eq!(guide.act(&token, "/lab/run", TOUCH, &[]).status, 403);
    assert_eq!(guide.follow(&token).0, 403);
    assert_eq!(guide.present(&ticket).status, 403);
    let new = guide.enter();
    assert_eq!(guide.act(&new, "/lab/run", TOUCH, &[]).status, 202);
}
