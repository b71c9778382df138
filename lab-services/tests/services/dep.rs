//! `lab dep`: receipts and the fault plan.

use serde_json::json;

use crate::support::Service;

fn dep() -> Service {
    Service::start(&["dep"])
}

#[tokio::test]
async fn the_same_key_gets_the_same_receipt_and_another_key_another() {
    let dep = dep();
    let (status, first) = dep.get("/work?sleep_ms=0&key=a").await;
    assert_eq!((status, &first["key"]), (200, &json!("a")));
    assert_eq!(dep.get("/work?sleep_ms=0&key=a").await.1, first);
    assert_ne!(
        dep.get("/work?sleep_ms=0&key=b").await.1["receipt"],
        first["receipt"]
    );
    assert_eq!(dep.count("dep_distinct_keys").await, 2);
    assert_eq!(dep.count("dep_requests_total").await, 3);
    assert_eq!(dep.count(r#"dep_responses_total{outcome="ok"}"#).await, 3);
}

#[tokio::test]
async fn a_plan_shows_its_defaults_and_refuses_what_it_does_not_know() {
    let dep = dep();
    let defaults = json!({
        "latency_ms": 20, "jitter_ms": 0, "hang_every": 0, "hang_ms": 5000, "error_share": 0.0, "capacity": 0
    });
    assert_eq!(dep.get("/fault").await, (200, defaults.clone()));
    assert_eq!(dep.put("/fault", json!({"hang_evry": 5})).await.0, 400);
    let (status, refusal) = dep.put("/fault", json!({"error_share": 7})).await;
    assert_eq!(status, 400);
    assert_eq!(
        refusal["error"],
        "error_share is a share, between 0 and 1, not 7"
    );
    assert_eq!(dep.get("/fault").await, (200, defaults));
}

#[tokio::test]
async fn every_second_call_hangs_and_a_client_that_leaves_cancels_it() {
    let dep = dep();
    dep.put(
        "/fault",
        json!({"latency_ms": 0, "hang_every": 2, "hang_ms": 60_000}),
    )
    .await;
    assert_eq!(dep.get("/work").await.0, 200);
    let hanging = tokio::spawn(reqwest::get(dep.url("/work")));
    dep.until_count("dep_requests_in_flight", 1).await;
    hanging.abort();
    dep.until_count(r#"dep_responses_total{outcome="cancelled"}"#, 1)
        .await;
    assert_eq!(dep.get("/work").await.0, 200);
}

#[tokio::test]
async fn a_call_fails_when_it_should_and_gives_no_receipt() {
    let dep = dep();
    assert_eq!(dep.get("/work?sleep_ms=0&fail=1.0&key=a").await.0, 500);
    assert_eq!(
        dep.count(r#"dep_responses_total{outcome="error"}"#).await,
        1
    );
    assert_eq!(dep.count("dep_distinct_keys").await, 0);
}

#[tokio::test]
async fn work_that_outlasts_the_callers_deadline_is_given_up() {
    let dep = dep();
    let call = reqwest::Client::new().get(dep.url("/work?sleep_ms=60000"));
    let answer = call.header("x-deadline-ms", "1").send().await.unwrap();
    assert_eq!(answer.status(), 504);
}

#[tokio::test]
async fn calls_beyond_the_capacity_wait() {
    let dep = dep();
    dep.put("/fault", json!({"latency_ms": 60_000, "capacity": 1}))
        .await;
    let first = tokio::spawn(reqwest::get(dep.url("/work")));
    dep.until_count("dep_requests_in_flight", 1).await;
    let second = tokio::spawn(reqwest::get(dep.url("/work?sleep_ms=0")));
    dep.until_count("dep_requests_in_flight", 2).await;
    assert!(!second.is_finished());
    first.abort();
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}
