//! `lab api` with a database: money moves once, transactions end, and a dry pool stays visible.

use serde_json::{Value, json};

use crate::support::postgres::Postgres;
use crate::support::{Service, until};

fn order(key: &str) -> Value {
    json!({"key": key, "account": 7, "amount": 3})
}

async fn api(dep: &Service, database: &str, args: &[&str]) -> Service {
    let dep = dep.url("");
    let api = Service::start(
        &[
            &["api", "--dep-url", &dep, "--database-url", database],
            args,
        ]
        .concat(),
    );
    until(async || api.get("/readyz").await.0 == 200, "the migration").await;
    api
}

async fn dbstats(api: &Service) -> Value {
    let (status, body) = api.get("/debug/dbstats").await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn a_key_is_paid_once_and_the_ledger_has_no_gap() {
    let Some(postgres) = Postgres::for_test("a_key_is_paid_once_and_the_ledger_has_no_gap") else {
        return;
    };
    let dep = Service::start(&["dep"]);
    for code in ["starter", "solved"] {
        let database = postgres.database(&format!("paid_once_{code}")).await;
        let api = api(&dep, &database, &["--code", code]).await;
        let (status, first) = api.post("/cases/tx", order("a")).await;
        assert_eq!((status, &first["replayed"]), (200, &json!(false)), "{code}");
        let (status, again) = api.post("/cases/tx", order("a")).await;
        assert_eq!((status, &again["replayed"]), (200, &json!(true)), "{code}");
        assert_eq!(again["receipt"], first["receipt"], "{code}");
        let at_once = tokio::join!(
            api.post("/cases/tx", order("b")),
            api.post("/cases/tx", order("b"))
        );
        assert_eq!((at_once.0.0, at_once.1.0), (200, 200), "{code}");

        let ledger = dbstats(&api).await["ledger"].clone();
        assert_eq!(
            ledger,
            json!({"accounts": 1000, "debited": 6, "payments": 2, "paid": 6, "gap": 0, "split": 0}),
            "{code}"
        );
        let nowhere = json!({"key": "c", "account": 1000, "amount": 3});
        assert_eq!(api.post("/cases/tx", nowhere).await.0, 400, "{code}");
        assert_eq!(dbstats(&api).await["ledger"], ledger, "{code}");
    }
}

/// A cancelled `begin` of sqlx leaves a transaction open, so none may be cancelled: each runs to its end.
#[tokio::test]
async fn a_client_that_leaves_in_mid_transaction_leaves_none_open() {
    let Some(postgres) =
        Postgres::for_test("a_client_that_leaves_in_mid_transaction_leaves_none_open")
    else {
        return;
    };
    let dep = Service::start(&["dep"]);
    dep.put("/fault", json!({"latency_ms": 300})).await;
    let database = postgres.database("client_leaves").await;
    let api = api(&dep, &database, &["--code", "starter", "--pool-size", "2"]).await;
    let client = reqwest::Client::new();
    let clients: Vec<_> = (0..6)
        .map(|account| {
            let order = json!({"key": format!("k{account}"), "account": account, "amount": 1});
            tokio::spawn(client.post(api.url("/cases/tx")).json(&order).send())
        })
        .collect();
    until(
        async || {
            let stats = dbstats(&api).await;
            stats["activity"]["idle_in_transaction"] == 2 && stats["pool"]["waiting"] == 4
        },
        "two transactions and four that wait to begin",
    )
    .await;
    for client in clients {
        client.abort();
    }
    api.until_count("lab_http_requests_in_flight", 0).await;

    let all_paid =
        json!({"accounts": 1000, "debited": 6, "payments": 6, "paid": 6, "gap": 0, "split": 0});
    until(
        async || dbstats(&api).await["ledger"] == all_paid,
        "six payments",
    )
    .await;
    until(
        async || {
            let stats = dbstats(&api).await;
            stats["activity"]["idle_in_transaction"] == 0 && stats["pool"]["in_use"] == 0
        },
        "all transactions to end",
    )
    .await;
}

#[tokio::test]
async fn the_server_ends_a_transaction_that_is_left_open() {
    let Some(postgres) = Postgres::for_test("the_server_ends_a_transaction_that_is_left_open")
    else {
        return;
    };
    let dep = Service::start(&["dep"]);
    dep.put("/fault", json!({"hang_every": 1, "hang_ms": 600_000}))
        .await;
    let database = postgres.database("left_open").await;
    let api = api(&dep, &database, &["--code", "starter"]).await;
    let payment = reqwest::Client::new()
        .post(api.url("/cases/tx"))
        .json(&order("a"));
    let payment = tokio::spawn(payment.send());
    // From here on nothing but the server can end the transaction.
    dep.until_count("dep_requests_in_flight", 1).await;
    for open in [1, 0] {
        let is_so = async || dbstats(&api).await["activity"]["idle_in_transaction"] == open;
        until(is_so, "the transaction to open, and to end").await;
    }
    assert_eq!(dep.count("dep_requests_in_flight").await, 1);
    payment.abort();
}

#[tokio::test]
async fn a_dry_pool_is_a_503_and_does_not_blind_the_observer() {
    let Some(postgres) = Postgres::for_test("a_dry_pool_is_a_503_and_does_not_blind_the_observer")
    else {
        return;
    };
    let dep = Service::start(&["dep"]);
    dep.put("/fault", json!({"latency_ms": 3000})).await;
    let database = postgres.database("dry_pool").await;
    let args = [
        "--code",
        "starter",
        "--pool-size",
        "1",
        "--pool-acquire-timeout-ms",
        "500",
    ];
    let api = api(&dep, &database, &args).await;
    let first = tokio::spawn(
        reqwest::Client::new()
            .post(api.url("/cases/tx"))
            .json(&order("a"))
            .send(),
    );
    until(
        async || dbstats(&api).await["activity"]["idle_in_transaction"] == 1,
        "a transaction",
    )
    .await;
    let (second, ()) = tokio::join!(api.post("/cases/tx", order("b")), async {
        until(
            async || dbstats(&api).await["pool"]["waiting"] == 1,
            "one to wait",
        )
        .await;
        let pool = dbstats(&api).await["pool"].clone();
        assert_eq!((&pool["max"], &pool["in_use"]), (&json!(1), &json!(1)));
    });
    assert_eq!(second.0, 503);
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn it_is_ready_only_once_the_database_is() {
    let Some(postgres) = Postgres::for_test("it_is_ready_only_once_the_database_is") else {
        return;
    };
    let url = postgres.url("comes_later");
    let api = Service::start(&["api", "--database-url", &url]);
    assert_eq!(api.get("/healthz").await.0, 200);
    let (status, body) = api.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(
        body["error"].as_str().unwrap().contains("the database"),
        "{body}"
    );
    assert_eq!(api.post("/cases/tx", order("a")).await.0, 503);
    postgres.database("comes_later").await;
    until(async || api.get("/readyz").await.0 == 200, "the migration").await;
}

#[tokio::test]
async fn two_services_migrate_one_database() {
    let Some(postgres) = Postgres::for_test("two_services_migrate_one_database") else {
        return;
    };
    let dep = Service::start(&["dep"]);
    let database = postgres.database("two_services").await;
    let (one, two) = tokio::join!(api(&dep, &database, &[]), api(&dep, &database, &[]));
    assert_eq!(dbstats(&one).await["ledger"]["accounts"], 1000);
    assert_eq!(dbstats(&two).await["ledger"]["accounts"], 1000);
}
