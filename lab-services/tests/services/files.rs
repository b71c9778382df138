//! The participants' files against the copies that `make reset` puts back.

use std::fs;
use std::path::PathBuf;

use crate::support::Service;

const CASES: [(&str, &str); 3] = [
    ("timeouts.rs", "// LAB: STEP1 TODO"),
    ("tx.rs", "// LAB: STEP2 TODO"),
    ("bulkheads.rs", "// LAB: STEP3 TODO"),
];

fn read(path: &str) -> String {
    let cases = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/cases");
    fs::read_to_string(cases.join(path)).unwrap()
}

#[test]
fn starters_mark_the_place_and_references_do_not() {
    for (file, marker) in CASES {
        assert!(read(&format!("starter/{file}")).contains(marker), "{file}");
        assert!(!read(&format!("solved/{file}")).contains("TODO"), "{file}");
    }
}

#[test]
fn every_file_fits_a_screen() {
    for (file, _) in CASES {
        for folder in ["starter", "solved"] {
            let lines = read(&format!("{folder}/{file}")).lines().count();
            assert!(lines <= 45, "{folder}/{file} has {lines} lines");
        }
    }
}

#[tokio::test]
async fn a_service_tells_the_text_of_every_case_that_it_has_compiled_in() {
    let api = Service::start(&["api"]);
    let (status, files) = api.get("/debug/code").await;
    assert_eq!(status, 200);
    let folders = ["", "starter/", "solved/", "cheats/"];
    let folders = &folders[..if cfg!(feature = "cheats") { 4 } else { 3 }];
    assert_eq!(
        files.as_object().unwrap().len(),
        CASES.len() * folders.len()
    );
    for folder in folders {
        for (file, _) in CASES {
            let text = &files[format!("lab-services/src/cases/{folder}{file}")];
            assert_eq!(*text, read(&format!("{folder}{file}")), "{folder}{file}");
        }
    }
}
