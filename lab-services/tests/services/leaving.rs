//! A replica that leaves as the case of step 6 says.

use serde_json::json;

use crate::support::{Service, until};

/// An api beside its `dep`, which leaves by the case of `code`.
fn api(dep: &Service, code: &str) -> Service {
    let dep = dep.url("");
    Service::start(&["api", "--dep-url", &dep, "--code", code, "--leaves-by-case"])
}

#[tokio::test]
async fn the_reference_serves_on_unready_answers_and_keeps_its_promises() {
    let dep = Service::start(&["dep"]);
    let mut api = api(&dep, "solved");
    assert_eq!(api.get("/readyz").await.0, 200);
    api.terminate();
    until(async || api.get("/readyz").await.0 == 503, "not ready").await;
    // Whoever still comes is served.
    let (status, _) = api
        .post("/cases/shutdown/orders?key=late&work_ms=4000", json!({}))
        .await;
    assert_eq!(status, 202);
    assert_eq!(api.post("/cases/shutdown?key=page", json!({})).await.0, 200);
    assert!(api.ended().await.success());
    let book = dep.get("/books").await.1.to_string();
    assert!(book.contains("late") && book.contains("page"), "{book}");
}

#[tokio::test]
async fn the_starter_ends_in_the_middle_of_everything() {
    let dep = Service::start(&["dep"]);
    dep.put("/fault", json!({ "latency_ms": 10_000 })).await;
    let mut api = api(&dep, "starter");
    let order = "/cases/shutdown/orders?key=lost&work_ms=1000";
    assert_eq!(api.post(order, json!({})).await.0, 202);
    let client = reqwest::Client::new();
    let page = tokio::spawn(client.post(api.url("/cases/shutdown?key=page")).send());
    dep.until_count("dep_requests_in_flight", 2).await;
    api.terminate();
    assert!(api.ended().await.success());
    assert!(page.await.unwrap().is_err(), "nobody answers");
    dep.until_count("dep_requests_in_flight", 0).await;
    assert_eq!(dep.get("/books").await.1["receipts"], json!([]));
}

#[tokio::test]
async fn orders_that_ask_for_too_much_work_are_refused() {
    let dep = Service::start(&["dep"]);
    let api = api(&dep, "solved");
    let (status, answer) = api
        .post("/cases/shutdown/orders?key=a&work_ms=10001", json!({}))
        .await;
    assert_eq!(status, 400);
    assert!(
        answer.to_string().contains("work_ms is at most 10000"),
        "{answer}"
    );
}
