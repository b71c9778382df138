//! Other users of the machine: what they see of a start, and what is left of one that was killed.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::attack::{Guide, wait_until};

/// The arguments of all processes, which every user may read.
#[cfg(target_os = "linux")]
fn processes() -> String {
    let ids = fs::read_dir("/proc").expect("processes").flatten();
    ids.filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|arguments| String::from_utf8_lossy(&arguments).replace('\0', " ") + "\n")
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn processes() -> String {
    let listed = std::process::Command::new("ps")
        .args(["-A", "-o", "args"])
        .output();
    String::from_utf8_lossy(&listed.expect("ps").stdout).into_owned()
}

/// The ticket in the file that the browser is opened with.
fn ticket(file: &Path) -> String {
    let page = fs::read_to_string(file).expect("the file");
    let (_, rest) = page.split_once("/#ticket=").expect("a link");
    rest[..64].to_owned()
}

// macOS opens files by a program at a fixed path, which a test can't replace.
#[cfg(target_os = "linux")]
#[test]
fn no_process_has_a_secret_in_its_arguments() {
    let opened = Guide::open_with_desktop();
    let guide = &opened.guide;
    let in_file = ticket(&opened.file);
    let seen = processes();
    assert!(seen.contains("mdbook-lab"), "{seen}");
    for secret in [&in_file, &guide.ticket] {
        assert!(!seen.contains(secret.as_str()));
    }
    assert_ne!(in_file, guide.ticket, "neither uses the other up");
}

#[cfg(target_os = "linux")]
#[test]
fn the_file_that_opens_a_browser_is_the_users_own_and_gone_after_use() {
    let mut opened = Guide::open_with_desktop();
    let mode = fs::metadata(&opened.file)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let in_file = ticket(&opened.file);
    assert!(opened.file.exists());
    assert_eq!(opened.guide.present(&in_file).status, 200);
    wait_until("gone", || !opened.file.exists());
    assert_eq!(opened.guide.present(&in_file).status, 403);
    assert_eq!(opened.guide.present(&opened.guide.ticket).status, 200);

    // A browser that never came leaves no file either.
    let mut never = Guide::open_with_desktop();
    assert!(never.file.exists());
    assert!(never.guide.end("-TERM").success());
    assert!(!never.file.exists());
    assert!(opened.guide.end("-TERM").success());
}

/// What servers keep in a folder for temporary things.
fn kept(place: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(place).expect("the folder").flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn what_a_killed_guide_leaves_is_removed_by_the_next() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let start = || Guide::open_with_temporary(place.path());
    let running = start();
    let mut killed = start();
    assert_eq!(kept(place.path()).len(), 2);
    killed.end("-KILL");
    assert_eq!(kept(place.path()).len(), 2);
    let mut next = start();
    assert_eq!(
        kept(place.path()).len(),
        2,
        "that of the killed one is gone"
    );
    assert_eq!(
        running.get("/", &[]).status,
        200,
        "that of the other is not"
    );
    next.end("-TERM");
    assert_eq!(kept(place.path()).len(), 1);
    for folder in kept(place.path()) {
        let mode = fs::metadata(&folder)
            .expect("a folder")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
