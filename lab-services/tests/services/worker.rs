//! `lab worker`: batches, and books that add up whatever the lanes do.

use serde_json::json;

use crate::support::Service;

#[tokio::test]
async fn a_batch_reports_on_its_jobs() {
    let worker = Service::start(&["worker", "--slow-ms", "20"]);
    let (status, batch) = worker
        .post("/batches?wait=true", json!({"fast": 2, "slow": 1}))
        .await;
    assert_eq!(status, 200);
    let jobs = batch["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    assert!(
        jobs.iter()
            .all(|job| job["state"] == "done" && job["queue_ms"].is_number()),
        "{batch}"
    );
    assert_eq!(
        worker.get(&format!("/batches/{}", batch["id"])).await,
        (200, batch)
    );
    assert_eq!(worker.get("/batches/999").await.0, 404);
    assert_eq!(
        worker
            .count(r#"lab_jobs_completed_total{kind="fast"}"#)
            .await,
        2
    );
    assert_eq!(
        worker
            .count(r#"lab_job_queue_seconds_count{kind="slow"}"#)
            .await,
        1
    );
    assert_eq!(worker.count("lab_workers_busy").await, 0);
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_runs_all_the_same() {
    let worker = Service::start(&["worker"]);
    let (status, batch) = worker.post("/batches", json!({"fast": 3})).await;
    assert_eq!(status, 202);
    assert!(batch["id"].is_number());
    worker
        .until_count(r#"lab_jobs_completed_total{kind="fast"}"#, 3)
        .await;
}

#[tokio::test]
async fn in_the_starter_slow_jobs_hold_every_worker() {
    let worker = Service::start(&["worker", "--code", "starter", "--slow-ms", "60000"]);
    worker.post("/batches", json!({"slow": 9})).await;
    worker
        .until_count(r#"lab_jobs_running{kind="slow"}"#, 8)
        .await;
    worker.post("/batches", json!({"fast": 1})).await;
    worker
        .until_count(r#"lab_jobs_queued{kind="fast"}"#, 1)
        .await;
    assert_eq!(worker.count("lab_workers_busy").await, 8);
}

#[tokio::test]
async fn the_reference_keeps_fast_jobs_going_and_rejects_slow_ones_at_once() {
    let worker = Service::start(&["worker", "--code", "solved", "--slow-ms", "60000"]);
    worker.post("/batches", json!({"slow": 12})).await;
    worker
        .until_count(r#"lab_jobs_running{kind="slow"}"#, 4)
        .await;
    assert_eq!(worker.count(r#"lab_jobs_queued{kind="slow"}"#).await, 8);
    assert_eq!(
        worker
            .post("/batches?wait=true", json!({"fast": 1}))
            .await
            .0,
        200
    );
    // Its slow job would take a minute: the answer doesn't wait for it.
    assert_eq!(
        worker
            .post("/batches?wait=true", json!({"fast": 1, "slow": 1}))
            .await
            .0,
        429
    );
    assert_eq!(
        worker
            .count(r#"lab_jobs_submitted_total{kind="slow"}"#)
            .await,
        13
    );
    assert_eq!(
        worker
            .count(r#"lab_jobs_rejected_total{kind="slow"}"#)
            .await,
        1
    );
    assert_eq!(worker.count(r#"lab_jobs_lost_total{kind="slow"}"#).await, 0);
}

#[tokio::test]
async fn a_burst_is_seen_however_short_and_a_wait_while_it_lasts() {
    // A second, since the fifth has to begin before the first ends on a machine that does other things, too. It is over
    // before anybody looks, which is what makes it short.
    let worker = Service::start(&[
        "worker",
        "--code",
        "starter",
        "--fast-ms",
        "1000",
        "--slow-ms",
        "60000",
    ]);
    let (status, _) = worker.post("/batches?wait=true", json!({"fast": 5})).await;
    assert_eq!(status, 200);
    assert_eq!(worker.count("lab_workers_busy").await, 0);
    assert_eq!(worker.count("lab_workers_busy_most").await, 5);

    let longest = r#"lab_job_longest_wait_seconds{kind="slow"}"#;
    worker.post("/batches", json!({"slow": 9})).await;
    worker
        .until_count(r#"lab_jobs_queued{kind="slow"}"#, 1)
        .await;
    let before = worker.seconds(longest).await;
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let later = worker.seconds(longest).await;
    assert!(
        later >= before + 0.02,
        "the ninth waits still: {before} s, then {later} s"
    );
}

#[cfg(feature = "cheats")]
#[tokio::test]
async fn a_job_that_is_dropped_and_called_done_counts_as_lost() {
    let worker = Service::start(&["worker", "--code", "cheat:drop-slow"]);
    assert_eq!(
        worker
            .post("/batches?wait=true", json!({"slow": 2}))
            .await
            .0,
        500
    );
    assert_eq!(worker.count(r#"lab_jobs_lost_total{kind="slow"}"#).await, 2);
    assert_eq!(
        worker
            .count(r#"lab_jobs_completed_total{kind="slow"}"#)
            .await,
        0
    );
    assert_eq!(worker.count(r#"lab_jobs_queued{kind="slow"}"#).await, 0);
}

#[tokio::test]
async fn a_batch_that_makes_no_sense_is_refused() {
    let worker = Service::start(&["worker"]);
    for batch in [
        json!({}),
        json!({"fast": 100_000}),
        json!({"quick": 1}),
        json!({"fast": -1}),
    ] {
        let (status, body) = worker.post("/batches", batch.clone()).await;
        assert_eq!(status, 400, "{batch}");
        assert!(body["error"].is_string(), "{batch}");
    }
}
