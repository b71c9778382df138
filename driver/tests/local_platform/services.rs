//! Services that start, scale, crash and stop.

use std::{process::Command, time::Duration};

use driver::platform::{Change, Platform, Stack, StackSpec, WorkerSpec};
use rustix::process::{Pid, test_kill_process};
use tokio::time::{sleep, timeout};

use crate::{BOUND, eventually, folder, get, listens, platform, spec};

#[tokio::test]
async fn a_stack_is_ready_when_it_has_started_and_gone_when_it_has_stopped() {
    let folder = folder();
    let mut spec = spec(false);
    spec.worker = Some(WorkerSpec::default());
    spec.run_folder = Some(folder.path().join("run"));
    let stack = platform(folder.path()).start(&spec).await.unwrap();
    let targets = stack.targets.borrow().clone();
    let all = [&targets.api[..], &targets.worker, &targets.dep].concat();
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|api| listens(api.addr())));
    for log in ["api-1", "worker", "dep"] {
        assert!(folder.path().join(format!("run/logs/{log}.log")).is_file());
    }
    stack.control.stop().await.unwrap();
    assert!(!all.iter().any(|api| listens(api.addr())));
    assert_eq!(
        *stack.targets.borrow(),
        driver::platform::Targets::default()
    );
}

#[tokio::test]
async fn replicas_are_targets_from_ready_until_told_to_stop() {
    let folder = folder();
    let mut stack = platform(folder.path()).start(&spec(false)).await.unwrap();
    let first = stack.targets.borrow().api.clone();
    stack.control.scale_api(3);
    let three = stack.targets.wait_for(|targets| targets.api.len() == 3);
    let three = timeout(BOUND, three).await.unwrap().unwrap().api.clone();
    assert_eq!(three[..1], first[..]);
    assert!(three.iter().all(|api| listens(api.addr())));
    assert!(
        stack
            .replicas
            .borrow()
            .iter()
            .all(|replica| replica.ready_since.unwrap() >= replica.created)
    );
    stack.control.scale_api(1);
    let one = stack.targets.wait_for(|targets| targets.api.len() == 1);
    assert_eq!(timeout(BOUND, one).await.unwrap().unwrap().api, first);

    let mut changes = Vec::new();
    while changes.iter().filter(|c| **c == Change::Stopped).count() < 2 {
        let event = timeout(BOUND, stack.events.recv()).await.unwrap().unwrap();
        changes.push(event.change);
    }
    let of = |change| changes.iter().filter(|c| **c == change).count();
    assert_eq!((of(Change::Started), of(Change::Ready)), (3, 3));
    stack.control.stop().await.unwrap();
    assert!(!three.iter().any(|api| listens(api.addr())));
    assert!(stack.failures.try_recv().is_err(), "a stop is no failure");
}

#[tokio::test]
async fn a_service_that_crashes_on_its_way_up_is_shown_with_its_last_lines() {
    let folder = folder();
    let mut spec = spec(false);
    spec.code = "crash-at-start".to_owned();
    let error = platform(folder.path()).start(&spec).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "api-1 ended before it was ready (exit status: 101); its last lines:\n  \
         the participant's code gave up\n  thread 'main' panicked at cases/tx.rs:7"
    );
}

#[tokio::test]
async fn a_service_that_is_never_ready_is_given_up() {
    let folder = folder();
    let mut spec = spec(false);
    spec.code = "never-ready".to_owned();
    let mut platform = platform(folder.path());
    platform.ready_within = Duration::from_millis(500);
    let error = platform.start(&spec).await.unwrap_err().to_string();
    assert!(
        error.starts_with("api-1 was not ready within 500ms") && error.contains("503"),
        "{error}"
    );
}

#[tokio::test]
async fn a_replica_that_crashes_during_the_run_is_a_failure_and_no_target() {
    let folder = folder();
    let mut stack = platform(folder.path()).start(&spec(false)).await.unwrap();
    let api = stack.targets.borrow().api[0].clone();
    let _ = get(&api, "/crash").await;
    let failure = timeout(BOUND, stack.failures.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(failure.service, "api-1");
    assert_eq!(
        failure.text,
        "api-1 ended during the run (exit status: 3); its last lines:\n  crashing as asked"
    );
    assert!(stack.targets.borrow().api.is_empty());
    stack.control.stop().await.unwrap();
}

#[tokio::test]
async fn a_fixed_port_that_is_taken_is_named() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = StackSpec::new("mine");
    spec.worker = Some(WorkerSpec {
        port: taken.local_addr().unwrap().port(),
        ..WorkerSpec::default()
    });
    let error = platform(folder.path()).start(&spec).await.unwrap_err();
    let port = taken.local_addr().unwrap().port();
    let named = format!("port {port} for worker is taken");
    assert!(error.to_string().starts_with(&named), "{error}");
}

#[tokio::test]
async fn an_executable_that_is_not_there_is_named() {
    let folder = folder();
    let mut platform = platform(folder.path());
    platform.services = "/nowhere/lab".into();
    let error = platform.start(&spec(false)).await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot start dep (/nowhere/lab)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_stack_stops_too() {
    let folder = folder();
    let stack = platform(folder.path()).start(&spec(false)).await.unwrap();
    let dep = stack.targets.borrow().dep[0].addr();
    let mut targets = stack.targets.clone();
    drop(stack);
    // The supervisor ends last, and its channel with it.
    timeout(BOUND, async { while targets.changed().await.is_ok() {} })
        .await
        .unwrap();
    assert!(!listens(dep));
}

/// A process that the first api has started, as code of a participant may.
async fn forked(stack: &Stack) -> Pid {
    let api = stack.targets.borrow().api[0].clone();
    let pid = get(&api, "/fork").await.unwrap().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    test_kill_process(pid).unwrap();
    pid
}

#[tokio::test]
async fn what_a_service_has_started_ends_with_it() {
    let folder = folder();
    let platform = platform(folder.path());
    let stopped = platform.start(&spec(false)).await.unwrap();
    let of_stopped = forked(&stopped).await;
    stopped.control.stop().await.unwrap();
    eventually("the child of a stopped one is gone", || is_gone(of_stopped));

    let mut crashed = platform.start(&spec(false)).await.unwrap();
    let of_crashed = forked(&crashed).await;
    let api = crashed.targets.borrow().api[0].clone();
    let _ = get(&api, "/crash").await;
    timeout(BOUND, crashed.failures.recv()).await.unwrap();
    eventually("the child of a crashed one is gone", || is_gone(of_crashed));
    let of_dropped = {
        crashed.control.scale_api(1);
        let mut targets = crashed.targets.clone();
        let ready = targets.wait_for(|targets| targets.api.len() == 1);
        timeout(BOUND, ready).await.unwrap().unwrap();
        forked(&crashed).await
    };
    let mut targets = crashed.targets.clone();
    drop(crashed);
    timeout(BOUND, async { while targets.changed().await.is_ok() {} })
        .await
        .unwrap();
    eventually("the child of a dropped one is gone", || is_gone(of_dropped));
}

/// Two processes that the first api has started and that have left its group.
#[cfg(target_os = "linux")]
async fn escaped(stack: &Stack) -> Vec<Pid> {
    let api = stack.targets.borrow().api[0].clone();
    let said = get(&api, "/escape").await.unwrap();
    let pids = said.split_whitespace().map(|pid| pid.parse().unwrap());
    let pids: Vec<_> = pids.filter_map(Pid::from_raw).collect();
    assert_eq!(pids.len(), 2, "{said}");
    assert!(pids.iter().all(|pid| test_kill_process(*pid).is_ok()));
    pids
}

/// Elsewhere nobody knows whose they are.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_has_left_the_group_of_its_service_ends_with_it() {
    let folder = folder();
    let platform = platform(folder.path());
    let stopped = platform.start(&spec(false)).await.unwrap();
    let of_stopped = escaped(&stopped).await;
    stopped.control.stop().await.unwrap();
    assert!(of_stopped.into_iter().all(is_gone));

    let crashed = platform.start(&spec(false)).await.unwrap();
    let of_crashed = escaped(&crashed).await;
    crashed.control.crash_api();
    let gone = async {
        while !of_crashed.iter().all(|pid| is_gone(*pid)) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(BOUND, gone)
        .await
        .expect("those of a killed one are gone");
    crashed.control.stop().await.unwrap();
}

/// A process that nobody has waited for yet is gone as well.
fn is_gone(pid: Pid) -> bool {
    let pid = pid.as_raw_nonzero().to_string();
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid])
        .output();
    let state = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    state.trim().is_empty() || state.trim().starts_with('Z')
}
