//! `lab api` with a database and its `lab auditor`: money moves once, transactions end, a dry pool stays visible, and
//! the books are out of the api's reach.

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::support::postgres::{Database, PASSWORD, Postgres};
use crate::support::{Service, until};

fn order(key: &str) -> Value {
    json!({"key": key, "account": 7, "amount": 3})
}

/// An api and the auditor of its ledger.
struct Bank {
    api: Service,
    auditor: Service,
}

impl Bank {
    async fn open(dep: &Service, database: &Database, args: &[&str]) -> Self {
        let auditor = auditor(database, "10");
        let dep = dep.url("");
        let flags = ["api", "--dep-url", &dep, "--database-url", &database.client];
        let api = Service::start(&[&flags, args].concat());
        until(async || api.get("/readyz").await.0 == 200, "the ledger").await;
        Self { api, auditor }
    }

    async fn stats(&self, what: &str) -> Value {
        let (status, body) = self.auditor.get("/debug/dbstats").await;
        assert_eq!(status, 200, "{body}");
        body[what].clone()
    }

    async fn idle_in_transaction(&self) -> Value {
        self.stats("activity").await["idle_in_transaction"].clone()
    }
}

fn auditor(database: &Database, pool_size: &str) -> Service {
    Service::start(&[
        "auditor",
        "--database-url",
        &database.owner,
        "--client-role",
        &database.role,
        "--client-password",
        PASSWORD,
        "--pool-size",
        pool_size,
    ])
}

/// The ledger of so many payments of 3 each.
fn ledger(payments: u64) -> Value {
    let paid = 3 * payments;
    json!({"accounts": 1000, "debited": paid, "payments": payments, "paid": paid, "split": 0, "uneven": 0})
}

#[tokio::test]
async fn a_key_is_paid_once_and_the_ledger_has_no_gap() {
    let Some(postgres) = Postgres::for_test("a_key_is_paid_once_and_the_ledger_has_no_gap") else {
        return;
    };
    let dep = Service::start(&["dep"]);
    for code in ["starter", "solved"] {
        let database = postgres.database(&format!("paid_once_{code}")).await;
        let bank = Bank::open(&dep, &database, &["--code", code]).await;
        let api = &bank.api;
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

        assert_eq!(bank.stats("ledger").await, ledger(2), "{code}");
        let nowhere = json!({"key": "c", "account": 1000, "amount": 3});
        assert_eq!(api.post("/cases/tx", nowhere).await.0, 400, "{code}");
        assert_eq!(bank.stats("ledger").await, ledger(2), "{code}");

        let (status, payment) = bank.auditor.get("/payments/a").await;
        let recorded = json!({"key": "a", "account": 7, "amount": 3, "receipt": first["receipt"]});
        assert_eq!((status, &payment), (200, &recorded), "{code}");
        assert_eq!(bank.auditor.get("/payments/c").await.0, 404, "{code}");
        let (_, all) = bank.auditor.get("/payments").await;
        assert_eq!(all.as_array().unwrap().len(), 2, "{code}");
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
    let bank = Bank::open(&dep, &database, &["--code", "starter", "--pool-size", "2"]).await;
    let api = &bank.api;
    let client = reqwest::Client::new();
    let clients: Vec<_> = (0..6)
        .map(|account| {
            let order = json!({"key": format!("k{account}"), "account": account, "amount": 3});
            tokio::spawn(client.post(api.url("/cases/tx")).json(&order).send())
        })
        .collect();
    until(
        async || bank.idle_in_transaction().await == 2 && api.count("lab_pool_waiting").await == 4,
        "two transactions and four that wait to begin",
    )
    .await;
    for client in clients {
        client.abort();
    }
    api.until_count("lab_http_requests_in_flight", 0).await;

    until(
        async || bank.stats("ledger").await == ledger(6),
        "six payments",
    )
    .await;
    until(
        async || bank.idle_in_transaction().await == 0,
        "all transactions to end",
    )
    .await;
    api.until_count("lab_pool_connections_in_use", 0).await;
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
    let bank = Bank::open(&dep, &database, &["--code", "starter"]).await;
    let payment = reqwest::Client::new()
        .post(bank.api.url("/cases/tx"))
        .json(&order("a"));
    let payment = tokio::spawn(payment.send());
    // From here on nothing but the server can end the transaction.
    dep.until_count("dep_requests_in_flight", 1).await;
    for open in [1, 0] {
        let is_so = async || bank.idle_in_transaction().await == open;
        until(is_so, "the transaction to open, and to end").await;
    }
    assert_eq!(dep.count("dep_requests_in_flight").await, 1);
    payment.abort();
}

#[tokio::test]
async fn a_dry_pool_is_a_503_and_does_not_blind_the_auditor() {
    let Some(postgres) = Postgres::for_test("a_dry_pool_is_a_503_and_does_not_blind_the_auditor")
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
    let bank = Bank::open(&dep, &database, &args).await;
    let api = &bank.api;
    let first = tokio::spawn(
        reqwest::Client::new()
            .post(api.url("/cases/tx"))
            .json(&order("a"))
            .send(),
    );
    until(
        async || bank.idle_in_transaction().await == 1,
        "a transaction",
    )
    .await;
    let (second, ()) = tokio::join!(api.post("/cases/tx", order("b")), async {
        api.until_count("lab_pool_waiting", 1).await;
        assert_eq!(api.count("lab_pool_connections_max").await, 1);
        assert_eq!(api.count("lab_pool_connections_in_use").await, 1);
    });
    assert_eq!(second.0, 503);
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn it_is_ready_only_once_the_ledger_is() {
    let Some(postgres) = Postgres::for_test("it_is_ready_only_once_the_ledger_is") else {
        return;
    };
    let database = postgres.later("comes_later");
    let auditor = auditor(&database, "10");
    let api = Service::start(&["api", "--database-url", &database.client]);
    for (service, what) in [(&api, "the database"), (&auditor, "the ledger")] {
        assert_eq!(service.get("/healthz").await.0, 200);
        let (status, body) = service.get("/readyz").await;
        assert_eq!(status, 503);
        assert!(body["error"].as_str().unwrap().contains(what), "{body}");
    }
    assert_eq!(api.post("/cases/tx", order("a")).await.0, 503);
    postgres.database("comes_later").await;
    until(async || api.get("/readyz").await.0 == 200, "the ledger").await;
}

#[tokio::test]
async fn two_auditors_set_up_one_ledger() {
    let Some(postgres) = Postgres::for_test("two_auditors_set_up_one_ledger") else {
        return;
    };
    let database = postgres.database("two_services").await;
    let both = [auditor(&database, "10"), auditor(&database, "10")];
    for auditor in &both {
        until(async || auditor.get("/readyz").await.0 == 200, "the ledger").await;
        let (_, stats) = auditor.get("/debug/dbstats").await;
        assert_eq!(stats["ledger"], ledger(0));
        let (answered, looks) = auditor.get("/debug/peers").await;
        assert_eq!(answered, 200, "{looks}");
        assert!(looks["database"]["reached"].is_string(), "{looks}");
    }
}

/// What the code of step 2 could try with the connection in its hands.
#[tokio::test]
async fn the_role_of_the_api_cannot_reach_the_books() {
    let Some(postgres) = Postgres::for_test("the_role_of_the_api_cannot_reach_the_books") else {
        return;
    };
    let database = postgres.database("plain_role").await;
    let auditor = auditor(&database, "3");
    until(async || auditor.get("/readyz").await.0 == 200, "the ledger").await;
    let mut client = PgConnection::connect(&database.client).await.unwrap();
    for forbidden in [
        "SET session_replication_role = replica",
        "ALTER TABLE payments DISABLE TRIGGER audit",
        "DROP TRIGGER audit ON accounts",
        "CREATE OR REPLACE FUNCTION audit_debit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DELETE FROM audit",
        "INSERT INTO audit (debited) VALUES (1)",
        "TRUNCATE payments",
        "UPDATE accounts SET opening = 0",
        "INSERT INTO accounts VALUES (1000, 0, 0)",
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE payments (x int)",
        "SET track_activities = off",
        "ALTER ROLE CURRENT_USER CONNECTION LIMIT 80",
        "SET ROLE lab",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut client).await;
        assert!(refused.is_err(), "{forbidden} is possible");
    }
    let mut more = Vec::new();
    for _ in 0..2 {
        more.push(PgConnection::connect(&database.client).await.unwrap());
    }
    let beyond = PgConnection::connect(&database.client).await;
    let code = beyond.unwrap_err().into_database_error().unwrap();
    assert_eq!(
        code.code().as_deref(),
        Some("53300"),
        "too many connections"
    );
    // Whatever a session calls itself, it is counted.
    sqlx::raw_sql("SET application_name = 'lab-auditor'; BEGIN; SELECT 1")
        .execute(&mut client)
        .await
        .unwrap();
    let (_, stats) = auditor.get("/debug/dbstats").await;
    assert_eq!(stats["activity"]["idle_in_transaction"], 1);
    assert_eq!(stats["activity"]["idle"], 2);
}

#[tokio::test]
async fn a_debit_apart_from_its_payment_is_seen_and_one_that_is_taken_back_is_none() {
    let Some(postgres) = Postgres::for_test("a_debit_apart_from_its_payment_is_seen") else {
        return;
    };
    let database = postgres.database("halves").await;
    let auditor = auditor(&database, "3");
    until(async || auditor.get("/readyz").await.0 == 200, "the ledger").await;
    let mut client = PgConnection::connect(&database.client).await.unwrap();
    let mut run = async |statements: &'static str| {
        sqlx::raw_sql(statements)
            .execute(&mut client)
            .await
            .unwrap();
        let (_, stats) = auditor.get("/debug/dbstats").await;
        let ledger = &stats["ledger"];
        (ledger["split"].clone(), ledger["uneven"].clone())
    };
    let none = (json!(0), json!(0));
    let debit = "UPDATE accounts SET balance = balance - 2 WHERE id = 5";
    let whole = "BEGIN; UPDATE accounts SET balance = balance - 2 WHERE id = 5;
         INSERT INTO payments VALUES ('a', 5, 2, 0); COMMIT";
    assert_eq!(run(whole).await, none);
    let back = "BEGIN; UPDATE accounts SET balance = balance + 2 WHERE id = 5;
         DELETE FROM payments WHERE key = 'a'; COMMIT";
    assert_eq!(run(back).await, none);
    assert_eq!(run(debit).await, (json!(1), json!(1)));
    let recorded_elsewhere = "INSERT INTO payments VALUES ('b', 6, 2, 0)";
    assert_eq!(run(recorded_elsewhere).await, (json!(2), json!(2)));
}
