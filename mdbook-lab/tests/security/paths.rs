//! Ways out of the folders that are served.

use std::{fs, os::unix::fs::symlink};

use crate::attack::Guide;

#[test]
fn nothing_outside_the_reports_and_the_book_is_given_out() {
    let guide = Guide::open();
    fs::create_dir_all(guide.path("reports/tx")).unwrap();
    fs::write(guide.path("reports/index.html"), "<p>all runs</p>").unwrap();
    fs::write(guide.path("reports/.hidden"), "SECRET").unwrap();
    fs::write(guide.path("SECRET"), "SECRET").unwrap();
    symlink(guide.path("SECRET"), guide.path("reports/file")).unwrap();
    symlink(guide.path("."), guide.path("reports/folder")).unwrap();
    symlink("/etc", guide.path("reports/tx/etc")).unwrap();

    assert!(guide.get("/reports/", &[]).body.contains("all runs"));
    assert_eq!(
        guide.get("/reports", &[]).header("location"),
        Some("/reports/")
    );
    assert_eq!(guide.get("/reports/index.html", &[]).status, 200);
    for path in [
        "/reports/../SECRET",
        "/reports/%2e%2e/SECRET",
        "/reports/..%2fSECRET",
        "/reports/%2e%2e%2fSECRET",
        "/reports/tx/../../SECRET",
        "/reports/..%5cSECRET",
        "/reports//SECRET",
        "/reports/.hidden",
        "/reports/%2ehidden",
        "/reports/file",
        "/reports/folder/SECRET",
        "/reports/folder/",
        "/reports/tx/etc/passwd",
        "/reports/SECRET%00.html",
        "/reports/%ff",
        "/../SECRET",
        "/%2e%2e/SECRET",
        "/..%2f..%2f..%2f..%2fetc/passwd",
        "//etc/passwd",
        "/./SECRET",
        "/Makefile",
        "/book.toml",
    ] {
        let answer = guide.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("SECRET"), "{path}");
        assert!(!answer.body.contains("root:"), "{path}");
    }
}

#[test]
fn reports_cannot_be_written_or_deleted() {
    let guide = Guide::open();
    let token = guide.enter();
    fs::create_dir(guide.path("reports")).unwrap();
    fs::write(guide.path("reports/index.html"), "here").unwrap();
    let host = guide.host();
    for method in ["PUT", "DELETE", "PATCH", "POST"] {
        for path in ["/reports/index.html", "/index.html"] {
            let headers = [("host", host.as_str()), ("authorization", &token)];
            let answer = guide.send(method, path, &headers, "x");
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    let kept = fs::read_to_string(guide.path("reports/index.html")).unwrap();
    assert_eq!(kept, "here");
}

#[test]
fn a_folder_does_not_redirect_to_another_site() {
    let guide = Guide::open();
    fs::create_dir_all(guide.path("reports/evil.example")).unwrap();
    let answer = guide.get("//evil.example", &[]);
    assert_eq!((answer.status, answer.header("location")), (404, None));
    let answer = guide.get("/reports//evil.example", &[]);
    assert_eq!((answer.status, answer.header("location")), (404, None));
}
