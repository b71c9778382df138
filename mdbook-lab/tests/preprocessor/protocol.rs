//! What mdBook asks of a preprocessor besides its work.

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
fn another_series_of_mdbook_is_warned_of_and_served() {
    let project = Project::new();
    for (version, warns) in [("0.4.52", true), ("0.5.99", false), ("1.0.0", true)] {
        let said = project.run(&[], &empty_book(project.root(), version).to_string());
        assert_eq!(said.code, Some(0), "{version}: {}", said.err);
        assert_eq!(said.out, r#"{"items":[]}"#);
        assert_eq!(said.err.contains(version), warns, "{version}: {}", said.err);
    }
}

#[test]
fn what_is_no_book_is_refused() {
    let project = Project::new();
    for input in ["", "{", "[]", "[{}, {}]", "hello"] {
        let said = project.run(&[], input);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{input:?}");
        assert!(
            said.err.contains("Unable to parse the input"),
            "{}",
            said.err
        );
    }
}
