//! A driver that ends without a word leaves nothing behind.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use driver::platform::Platform;
use rustix::process::geteuid;

use crate::{eventually, folder, get, left_in, listens, platform, server_of, spec, stand_in};

/// An unprivileged user; PostgreSQL wants it to have a name.
const NOBODY: u32 = 65_534;

/// A driver with a stack, in a process of its own.
struct Driver {
    child: Child,
    api: SocketAddr,
    dep: SocketAddr,
    postgres: SocketAddr,
}

/// Starts a driver that keeps its data in `folder`, then ends as `end` says.
async fn driver(mut command: Command, folder: &Path, end: &[&str]) -> Driver {
    let data = folder.join("data");
    let mut child = command
        .arg("stack")
        .arg(data)
        .args(end)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut up).unwrap();
    let mut addresses = up.split_whitespace().skip(1).map(|url| {
        url.trim_start_matches("http://")
            .parse::<SocketAddr>()
            .unwrap()
    });
    let (api, dep) = (addresses.next().unwrap(), addresses.next().unwrap());
    let postgres = server_of(&get(&api.into(), "/database-url").await.unwrap());
    Driver {
        child,
        api,
        dep,
        postgres,
    }
}

impl Driver {
    fn kill(&mut self) {
        // SIGKILL: nothing of the driver's own code runs any more.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn is_all_gone(&self) -> bool {
        ![self.api, self.dep, self.postgres].into_iter().any(listens)
    }
}

#[tokio::test]
async fn nothing_outlives_a_driver_that_is_killed() {
    let folder = folder();
    let mut driver = driver(Command::new(stand_in()), folder.path(), &[]).await;
    assert!(listens(driver.postgres));
    driver.kill();
    eventually("the services and PostgreSQL are gone", || {
        driver.is_all_gone()
    });
    eventually("the data is gone", || left_in(folder.path()).is_empty());
    eventually("no process is left", || {
        processes_of(folder.path()).is_empty()
    });
}

#[tokio::test]
async fn what_a_shell_says_of_other_servers_is_not_for_this_one() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let mut command = Command::new(stand_in());
    command
        .envs([
            (
                "PGOPTIONS",
                "-c default_transaction_read_only=on -c no_such_setting=on",
            ),
            ("PGHOST", "nowhere"),
            ("PGHOSTADDR", "192.0.2.1"),
            ("PGPORT", "1"),
            ("PGUSER", "me"),
            ("PGPASSWORD", "wrong"),
            ("PGDATABASE", "none"),
            ("PGSSLMODE", "require"),
        ])
        .envs(
            ["PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"].map(|name| (name, &missing)),
        );
    let mut driver = driver(command, folder.path(), &[]).await;
    let url = get(&driver.api.into(), "/database-url").await.unwrap();
    assert!(url.ends_with("/postgres?sslmode=disable"), "{url}");
    driver.kill();
    eventually("the data is gone", || left_in(folder.path()).is_empty());
}

#[tokio::test]
async fn nothing_outlives_a_driver_that_panics() {
    let folder = folder();
    let mut child = Command::new(stand_in())
        .arg("stack")
        .arg(folder.path().join("data"))
        .arg("panic")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!child.wait().unwrap().success());
    eventually("the data is gone", || left_in(folder.path()).is_empty());
    eventually("no process is left", || {
        processes_of(folder.path()).is_empty()
    });
}

#[test]
fn a_driver_may_be_killed_at_any_moment_of_a_start() {
    let folder = folder();
    // The first of these makes the template; each is killed a little later in its start.
    for ms in (0..200).step_by(20) {
        let mut child = Command::new(stand_in())
            .arg("stack")
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    eventually("no process is left", || {
        processes_of(folder.path()).is_empty()
    });
    // What had no guard yet is left to the next run.
    let mut last = Command::new(stand_in())
        .arg("stack")
        .arg(folder.path().join("data"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = String::new();
    let stdout = last.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut up).unwrap();
    assert!(up.starts_with("up "), "{up}");
    last.kill().unwrap();
    last.wait().unwrap();
    eventually("the data is gone", || left_in(folder.path()).is_empty());
}

#[tokio::test]
async fn what_outlives_a_killed_guard_is_swept_by_the_next_run() {
    let folder = folder();
    let mut driver = driver(Command::new(stand_in()), folder.path(), &[]).await;
    for pid in processes_of(folder.path()) {
        if pid.1.contains("postgres-guard") {
            let status = Command::new("kill").args(["-KILL", &pid.0]).status();
            assert!(status.unwrap().success());
        }
    }
    driver.kill();
    assert!(listens(driver.postgres), "the orphan this is about");
    assert!(!left_in(folder.path()).is_empty());
    let stack = platform(folder.path()).start(&spec(true)).await.unwrap();
    assert!(!listens(driver.postgres));
    stack.control.stop().await.unwrap();
    assert!(left_in(folder.path()).is_empty());
    assert!(processes_of(folder.path()).is_empty());
}

#[tokio::test]
async fn it_works_without_root() {
    if !geteuid().is_root() {
        // Then every other test shows it.
        return;
    }
    let folder = folder();
    // The build's folder may be closed to others. Copied by another process: a child that a test beside this one
    // forks would hold the file open for writing, and such a file can't be run.
    let program = folder.path().join("stand_in");
    let copied = Command::new("cp").arg(stand_in()).arg(&program).status();
    assert!(copied.unwrap().success());
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(&program);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    let mut driver = driver(command, &own, &[]).await;
    assert!(listens(driver.postgres));
    driver.kill();
    eventually("the services and PostgreSQL are gone", || {
        driver.is_all_gone()
    });
    eventually("the data is gone", || left_in(&own).is_empty());
}

/// Processes whose command line names `folder`: id and command line.
fn processes_of(folder: &Path) -> Vec<(String, String)> {
    let output = Command::new("ps")
        .args(["-A", "-ww", "-o", "pid=,command="])
        .output()
        .unwrap();
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    let folder = folder.to_string_lossy();
    list.lines()
        .filter(|line| line.contains(&*folder))
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(pid, command)| (pid.to_owned(), command.to_owned()))
        .collect()
}
