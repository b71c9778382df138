//! What mdBook asks of a preprocessor besides its work.

use std::path::Path;

use mdbook_preprocessor::MDBOOK_VERSION;
use serde_json::{Value, json};

use crate::project::{Project, empty_book};

#[test]
fn every_renderer_is_supported() {
    let project = Project::new();
    for renderer in ["html", "markdown", "epub", "none-that-is-known"] {
        let said = project.run(&["supports", renderer], "");
        assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{renderer}");
    }
}

#[test]
fn its_version_is_that_of_the_project() {
    let said = Project::new().run(&["--version"], "");
    let version = concat!("mdbook-lab ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((said.code, said.out.as_str()), (Some(0), version));
}

#[test]
fn another_series_of_mdbook_that_sends_the_same_is_warned_of_and_served() {
    let project = Project::new();
    for (version, warns) in [("0.6.0", true), ("0.5.99", false), ("1.0.0", true)] {
        let said = project.run(&[], &empty_book(project.root(), version).to_string());
        assert_eq!(said.code, Some(0), "{version}: {}", said.err);
        assert_eq!(said.out, r#"{"items":[]}"#);
        assert_eq!(said.err.contains(version), warns, "{version}: {}", said.err);
    }
}

fn refused(input: &str) -> String {
    Project::new().run(&[], input).refused()
}

/// What mdBook 0.4.52 writes for a book of a chapter, a line and a part: its types are in `src/book/book.rs`,
/// `src/preprocess/mod.rs` and `src/config.rs` of that version.
fn book_of_0_4() -> Value {
    json!([
        {
            "root": "/a/book",
            "config": {
                "book": {"authors": [], "language": "en", "src": "src", "title": "A book"},
                "output": {"html": {"multilingual": false}},
                "preprocessor": {"lab": {"command": "mdbook-lab"}},
            },
            "renderer": "html",
            "mdbook_version": "0.4.52",
        },
        {
            "sections": [
                {"Chapter": {
                    "name": "A chapter",
                    "content": "# A chapter\n",
                    "number": [1],
                    "sub_items": [],
                    "path": "a.md",
                    "source_path": "a.md",
                    "parent_names": [],
                }},
                "Separator",
                {"PartTitle": "A part"},
            ],
            "__non_exhaustive": null,
        },
    ])
}

#[test]
fn a_series_that_sends_something_else_is_told_which_is_wanted() {
    let wanted = |version: &str| {
        format!(
            "mdbook-lab needs mdBook 0.5; this is {version}: \
             cargo install mdbook --version {MDBOOK_VERSION} --locked\n"
        )
    };
    assert_eq!(refused(&book_of_0_4().to_string()), wanted("0.4.52"));
    let mut later = empty_book(Path::new("/a/book"), "0.6.0");
    later[1] = json!({"chapters": []});
    assert_eq!(refused(&later.to_string()), wanted("0.6.0"));
}

#[test]
fn what_our_series_has_new_is_named() {
    let mut new = empty_book(Path::new("/a/book"), "0.5.99");
    new[0]["config"]["book"] = json!({"subtitle": "and more"});
    let err = refused(&new.to_string());
    assert!(
        err.starts_with("can't read what mdBook 0.5.99 sends"),
        "{err}"
    );
    assert_eq!(err.matches("unknown field `subtitle`").count(), 1, "{err}");
}

#[test]
fn what_is_no_book_is_refused() {
    for nothing in ["", " \r\n"] {
        let err = refused(nothing);
        assert!(
            err.starts_with("there is no book on standard input"),
            "{err}"
        );
    }
    for other in ["{", "[]", "[{}, {}]", "hello", "\u{feff}[]"] {
        let err = refused(other);
        assert!(
            err.starts_with("standard input is not what mdBook sends"),
            "{other:?}: {err}"
        );
    }
}

/// As somebody who may have no second thread; the system asks nothing of root.
#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_are_told_by_the_name_of_the_limit() {
    use std::{
        fs::{self, Permissions},
        os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    };

    const NOBODY: u32 = 65_534;
    let project = Project::new();
    fs::set_permissions(project.root(), Permissions::from_mode(0o755)).unwrap();
    let program = project.root().join("program");
    fs::copy(env!("CARGO_BIN_EXE_mdbook-lab"), &program).unwrap();
    let limited = "ulimit -u 1 2>/dev/null || ulimit -p 1; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", limited, "sh"])
        .arg(&program)
        .args(["serve", "--no-open", "--port", "0"])
        .current_dir(project.root())
        .stdin(std::process::Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("may have 1 processes and threads (`ulimit -u`)")
            && said.contains("raise it"),
        "{said}"
    );
}
