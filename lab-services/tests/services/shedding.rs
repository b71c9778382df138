//! `lab worker`: work that a client waits for.

use serde_json::json;

use crate::support::Service;

const DONE: &str = r#"lab_work_completed_total{criticality="critical"}"#;

#[tokio::test]
async fn work_is_done_for_whoever_says_how_critical_it_is() {
    let worker = Service::start(&["worker", "--code", "solved"]);
    for criticality in ["critical", "sheddable"] {
        let path = format!("/work?criticality={criticality}");
        let (status, answer) = worker.post(&path, json!({})).await;
        assert_eq!(
            (status, answer),
            (200, json!({ "criticality": criticality }))
        );
    }
    for path in ["/work", "/work?criticality=urgent"] {
        let (status, body) = worker.post(path, json!({})).await;
        assert_eq!(status, 400, "{path}");
        assert!(body["error"].is_string(), "{path}");
    }
    assert_eq!(worker.count(DONE).await, 1);
    assert_eq!(worker.count("lab_work_running_most").await, 1);
}

#[tokio::test]
async fn work_is_done_though_its_client_has_gone() {
    let worker = Service::start(&["worker", "--code", "starter"]);
    let path = "/work?criticality=critical";
    let impatient = worker.post(path, json!({}));
    // It leaves once the worker has begun: what it waits for takes 200 ms.
    tokio::select! {
        _ = impatient => {}
        () = worker.until_count("lab_work_running_most", 1) => {}
    }
    worker.until_count(DONE, 1).await;
}
