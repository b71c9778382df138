//! Requests that make no sense: each is a 4xx with a sentence in JSON, and none is an error of the service.

use serde_json::{Value, json};

use crate::support::Service;

/// The status and the sentence of an answer that refuses.
fn refused((status, body): (u16, Value), wanted: u16, what: &str) {
    assert_eq!(status, wanted, "{what}: {body}");
    assert!(body["error"].is_string(), "{what}: {body}");
}

#[tokio::test]
async fn a_payment_of_nothing_or_of_more_than_there_is_is_refused() {
    let api = Service::start(&["api"]);
    let amounts = [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1_000_001),
        json!(1.5),
        json!("1"),
        json!(null),
    ];
    for amount in amounts {
        let order = json!({"key": "a", "account": 1, "amount": amount});
        refused(
            api.post("/cases/tx", order.clone()).await,
            400,
            &order.to_string(),
        );
    }
    // What makes sense gets as far as the database, which this api has not.
    for amount in [1, 1_000_000] {
        let order = json!({"key": "a", "account": 1, "amount": amount});
        refused(api.post("/cases/tx", order).await, 503, "in order");
    }
}

#[tokio::test]
async fn a_key_that_no_database_holds_is_refused_wherever_keys_are() {
    let api = Service::start(&["api"]);
    let dep = Service::start(&["dep"]);
    // Nobody listens at that address: what gets as far as the database does not come back.
    let nowhere = "postgres://lab@127.0.0.1:1/lab";
    let client = ["--client-role", "api", "--client-password", "none"];
    let auditor = ["auditor", "--database-url", nowhere];
    let auditor = Service::start(&[&auditor[..], &client].concat());
    for key in [
        "a\0b",
        "\u{1b}[2J",
        "line\nline",
        "\u{7f}",
        &"k".repeat(201),
    ] {
        let order = json!({"key": key, "account": 1, "amount": 1});
        refused(api.post("/cases/tx", order).await, 400, key);
        let mut url = reqwest::Url::parse("http://lab").unwrap();
        url.query_pairs_mut().append_pair("key", key);
        let query = url.query().unwrap();
        let payment = query.replace("key=", "/payments/");
        refused(auditor.get(&payment).await, 400, key);
        refused(api.get(&format!("/cases/timeouts?{query}")).await, 400, key);
        let work = format!("/work?sleep_ms=0&{query}");
        refused(dep.get(&work).await, 400, key);
    }
    let longest = format!("/work?sleep_ms=0&key={}", "k".repeat(200));
    assert_eq!(dep.get(&longest).await.0, 200);
    assert_eq!(dep.get("/work?sleep_ms=0&key=").await.0, 200);
    assert_eq!(dep.count("dep_distinct_keys").await, 2);
}

#[tokio::test]
async fn a_share_that_is_none_is_refused() {
    let dep = Service::start(&["dep"]);
    for share in [
        "NaN", "nan", "inf", "-inf", "-0.1", "1.1", "1e999", "half", "",
    ] {
        let work = format!("/work?sleep_ms=0&fail={share}");
        refused(dep.get(&work).await, 400, share);
    }
    assert_eq!(dep.get("/work?sleep_ms=0&fail=0").await.0, 200);
}

#[tokio::test]
async fn every_refusal_is_json() {
    let worker = Service::start(&["worker"]);
    for id in ["abc", "-1", "1.5", "18446744073709551616", "%00"] {
        refused(worker.get(&format!("/batches/{id}")).await, 400, id);
    }
    refused(worker.get("/batches/%ff").await, 400, "no UTF-8");
    refused(worker.get("/none").await, 404, "no such path");
    refused(worker.get("/batches").await, 405, "no such method");
    refused(
        worker.put("/batches/1", json!({})).await,
        405,
        "no such method",
    );
    refused(
        worker
            .post("/batches?wait=perhaps", json!({"fast": 1}))
            .await,
        400,
        "no such value",
    );
    refused(
        worker
            .post("/batches", json!({"fast": "x".repeat(3_000_000)}))
            .await,
        413,
        "too large",
    );
}
