//! `lab api` without a database: the admission limit, the cases of step 1, the emulated quota.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Service;

fn api(dep: &Service, args: &[&str]) -> Service {
    let dep = dep.url("");
    Service::start(&[&["api", "--dep-url", &dep], args].concat())
}

async fn hanging_dep() -> Service {
    let dep = Service::start(&["dep"]);
    dep.put("/fault", json!({"hang_every": 1, "hang_ms": 60_000}))
        .await;
    dep
}

#[tokio::test]
async fn one_admission_limit_holds_for_all_routes_and_for_none_of_the_upkeep() {
    let dep = hanging_dep().await;
    let api = api(&dep, &["--code", "starter", "--admission-slots", "2"]);
    assert_eq!(api.count("lab_admission_slots").await, 2);
    let quotes: Vec<_> = (0..2)
        .map(|_| tokio::spawn(reqwest::get(api.url("/cases/timeouts?key=a"))))
        .collect();
    let hanging = r#"lab_admission_slots_in_use{held="over_100ms"}"#;
    api.until_count(hanging, 2).await;

    let local = tokio::spawn(reqwest::get(api.url("/cases/local")));
    let bystanders = r#"lab_admission_waiting{route="/cases/local"}"#;
    api.until_count(bystanders, 1).await;
    let quotes_waiting = r#"lab_admission_waiting{route="/cases/timeouts"}"#;
    assert_eq!(api.count(quotes_waiting).await, 0);
    assert_eq!(api.count("lab_http_requests_in_flight").await, 3);
    assert_eq!(api.count(hanging).await, 2);
    assert_eq!(api.get("/healthz").await.0, 200);
    assert_eq!(api.get("/readyz").await.0, 200);

    quotes[0].abort();
    assert_eq!(local.await.unwrap().unwrap().status(), 200);
    let cancelled = r#"lab_http_requests_total{route="/cases/timeouts",status="cancelled"}"#;
    assert_eq!(api.count(cancelled).await, 1);
}

#[tokio::test]
async fn the_reference_gives_up_on_a_hang_and_frees_its_slot() {
    let dep = hanging_dep().await;
    let api = api(&dep, &["--code", "solved", "--admission-slots", "1"]);
    let (status, body) = api.get("/cases/timeouts?key=a").await;
    assert_eq!(
        (status, &body["error"]),
        (504, &json!("no answer before the deadline"))
    );
    assert_eq!(api.get("/cases/local").await.0, 200);
    dep.until_count(r#"dep_responses_total{outcome="cancelled"}"#, 1)
        .await;
}

#[tokio::test]
async fn a_quote_carries_the_receipt_of_dep() {
    let dep = Service::start(&["dep"]);
    let receipt = dep.get("/work?sleep_ms=0&key=a").await.1["receipt"].clone();
    for code in ["mine", "starter", "solved"] {
        let api = api(&dep, &["--code", code]);
        let quote = api.get("/cases/timeouts?key=a").await;
        assert_eq!(quote, (200, json!({ "receipt": receipt })), "{code}");
    }
}

#[tokio::test]
async fn a_dep_that_is_not_there_is_a_bad_gateway() {
    let api = Service::start(&["api", "--dep-url", "http://127.0.0.1:1"]);
    assert_eq!(api.get("/cases/timeouts?key=a").await.0, 502);
}

#[tokio::test]
async fn an_api_tells_whether_it_reaches_what_it_was_told_of() {
    let dep = Service::start(&["dep"]);
    let (status, looks) = api(&dep, &[]).get("/debug/peers").await;
    assert_eq!(status, 200, "{looks}");
    let found = json!({ "peer": dep.address, "reached": dep.address });
    assert_eq!(looks, json!({ "dep": found }));

    let url = "postgres://api:secret@127.0.0.1:1/lab";
    let (status, looks) = api(&dep, &["--database-url", url])
        .get("/debug/peers")
        .await;
    assert_eq!(status, 503, "{looks}");
    assert_eq!(looks["dep"]["reached"], dep.address);
    let why = looks["database"]["fails"].as_str().unwrap();
    assert!(
        why.contains("127.0.0.1:1, which takes no connection"),
        "{why}"
    );
    // Whoever has nobody to reach has nothing to tell.
    assert_eq!(dep.get("/debug/peers").await.0, 404);
}

#[tokio::test]
async fn payments_without_a_database_say_what_is_missing() {
    let api = Service::start(&["api"]);
    let (status, body) = api
        .post("/cases/tx", json!({"key": "a", "account": 1, "amount": 1}))
        .await;
    assert_eq!(status, 503);
    assert!(
        body["error"].as_str().unwrap().contains("--database-url"),
        "{body}"
    );
    assert_eq!(api.post("/debug/crash", json!({})).await.0, 404);
}

#[tokio::test]
async fn a_crash_that_is_asked_for_is_one() {
    let mut api = Service::start(&["api", "--crashable"]);
    let crash = reqwest::Client::new().post(api.url("/debug/crash"));
    assert!(crash.send().await.is_err(), "no answer");
    assert!(!api.ended().await.success());
}

#[tokio::test]
async fn a_quota_holds_the_cpu_time_to_about_its_share() {
    let api = Service::start(&["api", "--cpu-quota-millicores", "200"]);
    let start = Instant::now();
    let requests: Vec<_> = (0..10)
        .map(|_| tokio::spawn(reqwest::get(api.url("/cases/autoscale?cpu_ms=20"))))
        .collect();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    // 200 ms of CPU time at 20 ms in each 100 ms, the first of them at once.
    assert!(
        start.elapsed() >= Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
    let used = api.seconds("lab_cpu_usage_seconds_total").await;
    assert!((0.19..0.4).contains(&used), "{used} s of CPU time");
    assert_eq!(api.count("lab_cpu_quota_millicores").await, 200);
    assert!(api.count("lab_cpu_periods_total").await >= 9);
    assert!(api.count("lab_cpu_throttled_periods_total").await >= 5);
    assert!(api.seconds("lab_cpu_throttled_seconds_total").await > 0.1);
}

#[tokio::test]
async fn without_a_quota_nothing_is_throttled() {
    let api = Service::start(&["api"]);
    assert_eq!(api.get("/cases/autoscale?cpu_ms=120").await.0, 200);
    assert_eq!(api.count("lab_cpu_throttled_periods_total").await, 0);
    assert!(api.seconds("lab_cpu_usage_seconds_total").await >= 0.12);
    assert_eq!(api.get("/cases/autoscale?cpu_ms=99999").await.0, 400);
}
