//! Output that nobody can read any more: the run goes on, and is kept.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{data, journal, run_of, start, text, turn, wait_for};

/// Whether the run is there as if nobody had gone.
fn is_kept(reports: &Path, status: ExitStatus) {
    let data = data(reports, "short");
    // A busy machine may spoil the measurement; it is kept all the same.
    let code = match data["verdict"]["outcome"].as_str() {
        Some("pass") => 0,
        Some("invalid") => 3,
        other => panic!("not kept as a run: {other:?}"),
    };
    let finished = journal(reports, "short").unwrap();
    assert!(finished.contains(r#"{"line":"finished""#), "{finished}");
    assert!(reports.join("index.html").is_file());
    assert_eq!(status.code(), Some(code));
}

fn until_the_load(reports: &Path) {
    wait_for("the load is under way", || {
        journal(reports, "short").filter(|text| text.contains("\"tick\""))
    });
}

#[test]
fn a_reader_who_leaves_costs_no_run() {
    let _turn = turn();
    for arguments in [&[][..], &["--json"]] {
        let reports = tempfile::tempdir().unwrap();
        let mut driver = start(run_of("short", reports.path()).args(arguments));
        until_the_load(reports.path());
        // As `2>&1 | head -1` does, and a guide that is killed.
        drop((driver.stdout.take(), driver.stderr.take()));
        is_kept(reports.path(), driver.wait().unwrap());
    }
}

#[test]
fn a_terminal_that_is_closed_costs_no_run() {
    let _turn = turn();
    let reports = tempfile::tempdir().unwrap();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let ours = || {
        let path = Path::new(name.to_str().unwrap());
        File::options().read(true).write(true).open(path).unwrap()
    };
    let mut driver = run_of("short", reports.path())
        .stdin(Stdio::null())
        .stdout(ours())
        .stderr(ours())
        .spawn()
        .unwrap();
    // Read, as a terminal does; else the driver would wait for room.
    let screen = BufReader::new(File::from(terminal.try_clone().unwrap()));
    let reader = std::thread::spawn(move || {
        screen
            .split(b'\n')
            .map_while(Result::ok)
            .find(|line| line.windows(4).any(|text| text == b"only"))
    });
    let bar = reader.join().unwrap();
    assert!(bar.is_some(), "no progress bar was shown");
    drop(terminal);
    is_kept(reports.path(), driver.wait().unwrap());
}

#[test]
fn a_full_device_costs_no_run_and_is_owned_up_to() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let _turn = turn();
    let open = || File::options().write(true).open(full).unwrap();
    let reports = tempfile::tempdir().unwrap();
    let output = run_of("short", reports.path())
        .stdout(open())
        .output()
        .unwrap();
    assert!(data(reports.path(), "short")["verdict"]["outcome"].is_string());
    assert!(text(&output).contains("standard output lacks lines"));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));

    let reports = tempfile::tempdir().unwrap();
    let status = run_of("short", reports.path())
        .stderr(open())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    is_kept(reports.path(), status);
}

#[test]
fn closed_streams_cost_no_run() {
    let _turn = turn();
    let reports = tempfile::tempdir().unwrap();
    let run = run_of("short", reports.path());
    let status = Command::new("sh")
        .args(["-c", r#""$@" <&- >&- 2>&-"#, "sh"])
        .arg(run.get_program())
        .args(run.get_args())
        .current_dir(run.get_current_dir().unwrap())
        .env("CI", "true")
        .status()
        .unwrap();
    is_kept(reports.path(), status);
}
