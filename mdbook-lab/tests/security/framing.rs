//! What a browser is told to allow.

use std::fs;

use crate::attack::Guide;

#[test]
fn every_answer_forbids_framing_and_guessing() {
    let guide = Guide::open();
    for path in [
        "/",
        "/print.html",
        "/none",
        "/live",
        "/lab/wall/lab.js",
        "/lab/wall/none",
        "/lab/events",
        "/reports/none",
        "/lab/enter",
    ] {
        let answer = guide.get(path, &[]);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
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
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{path}"
        );
    }
    let foreign = guide.send("GET", "/", &[("host", "rebind.example")], "");
    let policy = foreign
        .header("content-security-policy")
        .unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[test]
fn only_the_contents_may_be_framed_and_only_by_our_own_pages() {
    let guide = Guide::open();
    let answer = guide.get("/toc.html", &[]);
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("frame-ancestors 'self'"), "{policy}");
}

#[test]
fn scripts_of_a_page_run_by_hash_alone() {
    let guide = Guide::open();
    for path in ["/", "/print.html", "/toc.html", "/live"] {
        let answer = guide.get(path, &[]);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        let scripts = policy
            .split("; ")
            .find(|part| part.starts_with("script-src"))
            .unwrap_or_default();
        assert!(scripts.contains("'self'"), "{path}: {policy}");
        for lax in ["unsafe-inline", "unsafe-eval", "*", "http", "data:"] {
            assert!(!scripts.contains(lax), "{path}: {scripts}");
        }
        let inline = answer.body.matches("<script>").count();
        let hashes = scripts.matches("'sha256-").count();
        assert!(
            hashes >= inline.min(1),
            "{path}: {inline} scripts, {hashes} hashes"
        );
    }
}

#[test]
fn a_report_can_run_no_script_but_ours_even_if_one_got_in() {
    let guide = Guide::open();
    fs::create_dir(guide.path("reports")).unwrap();
    fs::write(
        guide.path("reports/index.html"),
        "<script>fetch('/lab/run')</script>",
    )
    .unwrap();
    let answer = guide.get("/reports/", &[]);
    let policy = answer.header("content-security-policy").unwrap_or_default();
    let (_, scripts) = policy.split_once("script-src ").unwrap_or_default();
    let (scripts, _) = scripts.split_once(';').unwrap_or_default();
    let all = scripts.split_whitespace();
    assert!(
        all.clone().all(|script| script.starts_with("'sha256-")),
        "{policy}"
    );
    // Those that move a stage.
    assert_eq!(all.count(), 2, "{policy}");
}

#[test]
fn logs_are_text_whatever_is_in_them() {
    let guide = Guide::open();
    fs::create_dir(guide.path("reports")).unwrap();
    for name in ["api.log", "events.jsonl", "strange"] {
        fs::write(guide.path("reports").join(name), "<script>1</script>").unwrap();
        let answer = guide.get(&format!("/reports/{name}"), &[]);
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(!kind.contains("html") && !kind.is_empty(), "{name}: {kind}");
    }
}
