//! Replicas that are replaced while they serve.

use std::time::Duration;

use driver::platform::{ApiSpec, Change, Endpoint, Platform, RollSpec, Stack, StackSpec};
use lab_autoscale::manifest::{Rollout, Strategy};
use tokio::time::timeout;

use crate::{BOUND, folder, platform};

/// Two replicas, of which none may lack and one may be too many.
fn spec(code: &str, grace: Duration, listed_for: Duration) -> StackSpec {
    let mut spec = StackSpec::new(code);
    let rollout = Rollout {
        replicas: 2,
        strategy: Strategy::Rolling {
            max_unavailable: 0,
            max_surge: 1,
        },
        grace,
        pre_stop: Duration::ZERO,
        first_probe: Duration::ZERO,
        probe_period: Duration::from_millis(50),
    };
    spec.api = Some(ApiSpec {
        replicas: 2,
        roll: Some(RollSpec {
            rollout,
            listed_for,
        }),
        ..ApiSpec::default()
    });
    spec
}

/// Waits until a replica has left; how.
async fn next_left(stack: &mut Stack) -> Change {
    loop {
        let event = timeout(BOUND, stack.events.recv()).await.unwrap().unwrap();
        if matches!(event.change, Change::Left(_) | Change::Overdue(_)) {
            return event.change;
        }
    }
}

fn listed(stack: &Stack) -> Vec<Endpoint> {
    stack.targets.borrow().api.clone()
}

#[tokio::test]
async fn who_leaves_is_replaced_first_and_listed_for_longer_than_it_is_there() {
    let folder = folder();
    let spec = spec("mine", BOUND, Duration::from_secs(3));
    let mut stack = platform(folder.path()).start(&spec).await.unwrap();
    let old = listed(&stack);
    stack.control.roll_api();
    let left = next_left(&mut stack).await;
    assert!(matches!(left, Change::Left(took) if took < BOUND), "{left}");
    // It is gone; its successor is there, and requests go to all three.
    assert_eq!(
        stack
            .replicas
            .borrow()
            .iter()
            .filter(|it| it.ready_since.is_some())
            .count(),
        2
    );
    let three = listed(&stack);
    assert!(
        old.iter().all(|endpoint| three.contains(endpoint)),
        "{three:?}"
    );
    next_left(&mut stack).await;
    let new = stack.targets.wait_for(|targets| {
        targets.api.len() == 2 && !targets.api.iter().any(|it| old.contains(it))
    });
    drop(
        timeout(BOUND, new)
            .await
            .expect("the old ones go from the list")
            .unwrap(),
    );
    let leaving = *stack.leaving.borrow();
    assert_eq!((leaving.left, leaving.killed), (2, 0));
    stack.control.stop().await.unwrap();
    assert!(stack.failures.try_recv().is_err(), "to leave is no failure");
}

#[tokio::test]
async fn who_does_not_end_is_killed_at_the_end_of_its_grace_period() {
    let folder = folder();
    let grace = Duration::from_millis(300);
    let spec = spec("never-ends", grace, Duration::ZERO);
    let mut stack = platform(folder.path()).start(&spec).await.unwrap();
    stack.control.roll_api();
    for _ in 0..2 {
        let left = next_left(&mut stack).await;
        assert!(
            matches!(left, Change::Overdue(took) if took >= grace),
            "{left}"
        );
    }
    let leaving = *stack.leaving.borrow();
    assert_eq!((leaving.left, leaving.killed), (2, 2));
    assert!(leaving.slowest >= grace);
    // And nobody waits for those that are there at the end.
    timeout(BOUND, stack.control.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn where_all_go_first_new_ones_come_when_the_last_has_gone() {
    let folder = folder();
    let mut spec = spec("mine", BOUND, Duration::ZERO);
    let roll = spec.api.as_mut().unwrap().roll.as_mut().unwrap();
    roll.rollout.strategy = Strategy::Recreate;
    let mut stack = platform(folder.path()).start(&spec).await.unwrap();
    let old = listed(&stack);
    stack.control.roll_api();
    next_left(&mut stack).await;
    next_left(&mut stack).await;
    let new = stack.targets.wait_for(|targets| targets.api.len() == 2);
    let new = timeout(BOUND, new)
        .await
        .expect("two new ones")
        .unwrap()
        .api
        .clone();
    assert!(new.iter().all(|endpoint| !old.contains(endpoint)));
    stack.control.stop().await.unwrap();
}
