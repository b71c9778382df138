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
        "latency_ms": 20, "jitter_ms": 0, "hang_every": 0, "hang_ms": 5000, "error_share": 0.0, "capacity": 0,
        "line": 0, "blip_every_ms": 0, "blip_ms": 0
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

#[tokio::test]
async fn a_line_is_worked_on_in_turn_also_for_callers_who_have_gone() {
    let dep = dep();
    let plan = |places: u32| json!({"latency_ms": 100, "capacity": places, "line": 2});
    let (status, why) = dep.put("/fault", json!({"line": 2})).await;
    assert_eq!(status, 400, "{why}");
    // Nothing ends until the plan is another one.
    let busy = json!({"latency_ms": 60_000, "capacity": 1, "line": 2});
    dep.put("/fault", busy).await;
    let _at_work = tokio::spawn(reqwest::get(dep.url("/work?key=slow")));
    dep.until_count(r#"dep_places_in_use{caller="first"}"#, 1)
        .await;
    let gives_up = tokio::spawn(reqwest::get(dep.url("/work?key=a")));
    dep.until_count(r#"dep_line{caller="first"}"#, 1).await;
    let looks_up = tokio::spawn(reqwest::get(dep.url("/work")));
    dep.until_count(r#"dep_line{caller="lookup"}"#, 1).await;
    gives_up.abort();
    dep.until_count(r#"dep_line{caller="gone"}"#, 1).await;
    assert_eq!(dep.get("/work?key=a").await.0, 503);
    assert_eq!(dep.count("dep_refused_total").await, 1);
    assert_eq!(dep.count(r#"dep_tries_total{try="again"}"#).await, 1);

    dep.put("/fault", plan(2)).await;
    assert_eq!(dep.count("dep_places").await, 2);
    let looked_up = looks_up.await.unwrap().unwrap();
    assert_eq!(looked_up.status(), 200);
    // Whoever was before it was charged, though nobody was told.
    let (_, books) = dep.get("/books").await;
    let receipts = books["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 1, "{books}");
    assert_eq!(
        (&receipts[0]["key"], &receipts[0]["answers"]),
        (&json!("a"), &json!(1))
    );
    let (status, again) = dep.get("/work?key=a").await;
    assert_eq!((status, &again["receipt"]), (200, &receipts[0]["receipt"]));
}

#[tokio::test]
async fn a_blip_refuses_at_once() {
    let dep = dep();
    // It begins after half of the time between two, and lasts for the other half.
    dep.put(
        "/fault",
        json!({"latency_ms": 0, "blip_every_ms": 2, "blip_ms": 600_000}),
    )
    .await;
    let mut refused = 0;
    while refused == 0 {
        let (status, _) = dep.get("/work?key=a").await;
        refused += u32::from(status == 503);
    }
    assert!(dep.count("dep_refused_total").await >= 1);
}
