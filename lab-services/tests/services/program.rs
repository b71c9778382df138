//! The program itself: flags, ports, signals, and the end of its parent.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{PATIENCE, Service, lab, until};

/// The complaint of a start that must fail. One that succeeds ends too, with its empty input.
fn fails(args: &[&str]) -> String {
    let Output {
        status,
        stderr,
        stdout,
    } = lab(args)
        .env("LAB_EXIT_WITH_PARENT", "true")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!status.success(), "{args:?} succeeded");
    assert!(stdout.is_empty(), "{args:?} says something on stdout");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn its_version_is_that_of_the_project() {
    let said = lab(&["--version"]).output().unwrap();
    let version = concat!("lab ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&said.stdout), version);
}

#[test]
fn an_unknown_code_lists_what_there_is() {
    for service in ["api", "worker"] {
        for code in ["mien", "cheat:nonesuch"] {
            let error = fails(&[service, "--code", code]);
            assert!(
                error.contains(&format!(
                    "there is no code named `{code}`; this build has mine, starter, solved"
                )),
                "{error}"
            );
        }
    }
}

#[cfg(not(feature = "cheats"))]
#[test]
fn a_normal_build_refuses_cheats() {
    assert!(fails(&["api", "--code", "cheat:big-pool"]).contains("--features cheats"));
}

#[test]
fn a_flag_that_is_none_is_named() {
    assert!(fails(&["dep", "--lisen", "127.0.0.1:0"]).contains("'--lisen'"));
    assert!(fails(&["api", "--admission-slots", "0"]).contains("--admission-slots"));
    assert!(fails(&["worker", "--listen", "here"]).contains("--listen"));
}

#[test]
fn a_database_url_that_is_none_ends_the_service_and_is_not_printed() {
    let error = fails(&[
        "api",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "mysql:secret",
    ]);
    assert!(
        error.contains("--database-url is not one of Postgres"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = fails(&["dep", "--listen", &address]);
    assert!(
        error.contains(&format!("cannot listen on {address}")),
        "{error}"
    );
    assert!(error.contains("--listen"), "{error}");
}

#[tokio::test]
async fn a_signal_lets_requests_under_way_end() {
    let mut dep = Service::start(&["dep"]);
    let under_way = tokio::spawn(reqwest::get(dep.url("/work?sleep_ms=300&key=a")));
    dep.until_count("dep_requests_in_flight", 1).await;
    dep.terminate();
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
    assert!(dep.ended().await.success());
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_up_the_end() {
    let mut dep = Service::start(&["dep"]);
    dep.put("/fault", json!({"hang_every": 1, "hang_ms": 600_000}))
        .await;
    let hanging = tokio::spawn(reqwest::get(dep.url("/work")));
    dep.until_count("dep_requests_in_flight", 1).await;
    dep.terminate();
    assert!(dep.ended().await.success());
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn it_ends_with_its_parent() {
    let mut dep = Service::start(&["dep"]);
    drop(dep.child.stdin.take());
    assert!(dep.ended().await.success());
}

#[tokio::test]
async fn what_it_has_started_ends_with_its_parent() {
    let mut command = lab(&["dep", "--listen", "127.0.0.1:0"]);
    let command = command.env("LAB_EXIT_WITH_PARENT", "true").process_group(0);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut dep = pipes.spawn().unwrap();
    let mut said = String::new();
    let stdout = dep.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    assert!(said.starts_with("listening "), "{said}");
    // Of its group, as what a case starts is.
    let mut sleep = Command::new("sleep")
        .arg("600")
        .process_group(dep.id().cast_signed())
        .spawn()
        .unwrap();
    drop(dep.stdin.take());
    dep.wait().unwrap();
    until(
        async || sleep.try_wait().unwrap().is_some(),
        "the end of what it has started",
    )
    .await;
}

#[tokio::test]
async fn a_process_that_stood_still_says_so() {
    let dep = Service::start(&["dep"]);
    let pid = rustix::process::Pid::from_child(&dep.child);
    let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
    signal(rustix::process::Signal::STOP);
    tokio::time::sleep(Duration::from_millis(600)).await;
    signal(rustix::process::Signal::CONT);
    // Of 600 ms at most 20 fell into a sleep that was wanted.
    let noted = async || {
        let page = dep.page().await;
        let mut lines = page.lines();
        let length = lines.find_map(|line| line.strip_prefix("lab_standstill_seconds "));
        length.is_some_and(|length| length.parse::<f64>().unwrap() >= 0.57)
    };
    until(noted, "the standstill").await;
    assert!(dep.seconds("lab_standstill_ago_seconds").await < PATIENCE.as_secs_f64());
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
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_lab"), &program).unwrap();
    let limited = "ulimit -u 1 2>/dev/null || ulimit -p 1; exec \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", limited, "sh"])
        .arg(&program)
        .args(["dep", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("may have 1 processes and threads (`ulimit -u`)")
            && said.contains("raise it"),
        "{said}"
    );
}
