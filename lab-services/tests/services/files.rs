//! The participants' files against the copies that `make reset` puts back.

use std::fs;
use std::path::PathBuf;

use crate::support::Service;

/// The text of a file below `src/cases/`.
fn read(path: &str) -> String {
    fs::read_to_string(cases().join(path)).unwrap()
}

fn cases() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/cases")
}

/// The files that participants edit: those that have a starter.
fn edited() -> Vec<String> {
    let starters = fs::read_dir(cases().join("starter")).unwrap();
    let files: Vec<String> = starters
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    files
}

#[test]
fn starters_mark_the_place_and_references_do_not() {
    for file in edited() {
        let starter = read(&format!("starter/{file}"));
        assert!(starter.contains("// LAB: STEP"), "{file}");
        assert!(!read(&format!("solved/{file}")).contains("TODO"), "{file}");
    }
}

#[test]
fn every_file_fits_a_screen() {
    for file in edited() {
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
    let folders = ["", "starter/", "solved/", "cheats/", "fixes/"];
    let folders = &folders[..if cfg!(feature = "cheats") { 5 } else { 3 }];
    let edited = edited();
    assert_eq!(
        files.as_object().unwrap().len(),
        edited.len() * folders.len()
    );
    for folder in folders {
        for file in &edited {
            let text = &files[format!("lab-services/src/cases/{folder}{file}")];
            assert_eq!(*text, read(&format!("{folder}{file}")), "{folder}{file}");
        }
    }
}
