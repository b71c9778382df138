//! The private PostgreSQL, and a database on somebody else's server.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
};

use driver::platform::{Platform, Stack, local::Source};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::copy_bidirectional,
    net::{TcpStream, UnixListener},
    time::timeout,
};

use crate::{BOUND, eventually, folder, get, left_in, listens, platform, server_of, spec};

/// The URL of the database's owner.
async fn url_of(stack: &Stack) -> String {
    let auditor = stack.targets.borrow().auditor[0].clone();
    get(&auditor, "/database-url").await.unwrap()
}

async fn setting(url: &str, query: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let text = sqlx::query_scalar(query).fetch_one(&mut connection).await;
    connection.close().await.unwrap();
    text.unwrap()
}

async fn execute(url: &str, statements: &[&'static str]) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    for statement in statements {
        let done = sqlx::query(*statement).execute(&mut connection).await;
        done.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn each_run_has_a_server_of_its_own_that_goes_with_it() {
    let folder = folder();
    let platform = platform(folder.path());
    let spec = spec(true);
    for _ in 0..2 {
        let stack = platform.start(&spec).await.unwrap();
        let url = url_of(&stack).await;
        assert_eq!(setting(&url, "SHOW fsync").await, "off");
        let tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(setting(&url, tables).await, "0");
        execute(&url, &["CREATE TABLE of_this_run ()"]).await;
        stack.control.stop().await.unwrap();
        assert!(!listens(server_of(&url)));
        assert!(left_in(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn the_api_has_a_role_of_its_own_and_is_not_told_of_the_owner() {
    let folder = folder();
    let stack = platform(folder.path()).start(&spec(true)).await.unwrap();
    let owner = url_of(&stack).await;
    let api = stack.targets.borrow().api[0].clone();
    let client = get(&api, "/database-url").await.unwrap();
    assert!(client.starts_with("postgres://api:"), "a role of its own");
    assert_eq!(server_of(&client), server_of(&owner));
    let password = |url: &str| url.split([':', '@']).nth(2).unwrap().to_owned();
    assert_ne!(password(&client), password(&owner));
    stack.control.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let folder = folder();
    let stack = platform(folder.path()).start(&spec(true)).await.unwrap();
    let server = server_of(&url_of(&stack).await);
    let guess = format!("postgres://lab:guess@{server}/postgres");
    let error = PgConnection::connect(&guess).await.unwrap_err();
    assert!(
        error.to_string().contains("authentication failed"),
        "{error}"
    );
    stack.control.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_somebody_took_is_left_for_another() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut platform = platform(folder.path());
    platform.postgres_port = taken.local_addr().unwrap().port();
    let stack = platform.start(&spec(true)).await.unwrap();
    let server = server_of(&url_of(&stack).await);
    assert_ne!(server.port(), platform.postgres_port);
    stack.control.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_dies_during_the_run_is_a_failure() {
    let folder = folder();
    let mut stack = platform(folder.path()).start(&spec(true)).await.unwrap();
    let runs = left_in(folder.path());
    let run = runs.iter().find(|path| path.is_dir()).unwrap();
    let pid = fs::read_to_string(run.join("data/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-QUIT", pid])
        .status();
    assert!(killed.unwrap().success());
    let failure = timeout(BOUND, stack.failures.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(failure.service, "postgres");
    assert!(
        failure.text.contains("PostgreSQL ended by itself"),
        "{}",
        failure.text
    );
    stack.control.stop().await.unwrap();
    assert!(left_in(folder.path()).is_empty());
}

/// Segments of shared memory that the system lists; Linux alone does.
fn segments() -> Vec<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let ids = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_no_shared_memory() {
    let folder = folder();
    let mut stack = platform(folder.path()).start(&spec(true)).await.unwrap();
    let runs = left_in(folder.path());
    let run = runs.iter().find(|path| path.is_dir()).unwrap();
    let file = fs::read_to_string(run.join("data/postmaster.pid")).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let segment = lines[6].split_whitespace().nth(1).unwrap().to_owned();
    if cfg!(target_os = "linux") {
        assert!(segments().contains(&segment), "{file}");
    }
    assert!(run.join("data/pg_dynshmem").read_dir().unwrap().count() > 0);
    let killed = std::process::Command::new("kill")
        .args(["-KILL", lines[0]])
        .status();
    assert!(killed.unwrap().success());
    timeout(BOUND, stack.failures.recv()).await.unwrap();
    stack.control.stop().await.unwrap();
    assert!(left_in(folder.path()).is_empty());
    // What still used it ends by itself when its server is gone.
    eventually("the segment is freed", || !segments().contains(&segment));
}

#[tokio::test]
async fn a_damaged_template_is_made_again() {
    let folder = folder();
    let platform = platform(folder.path());
    let spec = spec(true);
    platform
        .start(&spec)
        .await
        .unwrap()
        .control
        .stop()
        .await
        .unwrap();
    let mut templates = folder.path().join("data/templates").read_dir().unwrap();
    let template = templates.next().unwrap().unwrap().path();
    fs::remove_file(template.join("data/PG_VERSION")).unwrap();
    platform
        .start(&spec)
        .await
        .unwrap()
        .control
        .stop()
        .await
        .unwrap();
    assert!(template.join("data/PG_VERSION").is_file());
}

#[tokio::test]
async fn a_run_on_somebody_elses_server_takes_its_database_along() {
    // The server of one stack is somebody else's to another.
    let (theirs, ours) = (folder(), folder());
    let server = platform(theirs.path()).start(&spec(true)).await.unwrap();
    let url = url_of(&server).await;
    // A private server has dropped what new databases are made from.
    execute(&url, &["CREATE DATABASE template1 TEMPLATE postgres"]).await;
    let databases = "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'lab\\_%'";
    let mut platform = platform(ours.path());
    platform.database = Source::Server(url.clone());

    let stack = platform.start(&spec(true)).await.unwrap();
    let own = url_of(&stack).await;
    let name = setting(&own, "SELECT current_database()::text").await;
    assert!(name.starts_with("lab_"), "{name}");
    let second = platform.start(&spec(true)).await.unwrap();
    assert_eq!(
        setting(&url, databases).await,
        "2",
        "a live one is not swept"
    );
    second.control.stop().await.unwrap();
    stack.control.stop().await.unwrap();
    assert_eq!(setting(&url, databases).await, "0");

    // What a killed driver leaves, and what only looks like it.
    let left = [
        "CREATE DATABASE lab_1_00000001",
        "COMMENT ON DATABASE lab_1_00000001 IS 'rust workshop run, locked from postgres'",
        "CREATE DATABASE lab_1_00000002",
    ];
    execute(&url, &left).await;
    assert_eq!(setting(&url, databases).await, "2");
    platform
        .start(&spec(true))
        .await
        .unwrap()
        .control
        .stop()
        .await
        .unwrap();
    let left =
        "SELECT string_agg(datname::text, ' ') FROM pg_database WHERE datname LIKE 'lab\\_%'";
    assert_eq!(setting(&url, left).await, "lab_1_00000002");
    server.control.stop().await.unwrap();
}

/// A socket of the system, as PostgreSQL names its own, that leads to the server at `to`.
fn socket(folder: &Path, to: SocketAddr) {
    let listener = UnixListener::bind(folder.join(".s.PGSQL.5433")).unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(to).await.unwrap();
                // Either side may end it.
                let _ = copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
}

#[tokio::test]
async fn a_server_is_found_by_all_that_libpq_finds_it_by_and_its_habits_stay_outside() {
    let (theirs, ours) = (folder(), folder());
    let server = platform(theirs.path()).start(&spec(true)).await.unwrap();
    let url = url_of(&server).await;
    let habits = [
        "CREATE DATABASE template1 TEMPLATE postgres",
        "CREATE ROLE \"me/@:%\" SUPERUSER LOGIN PASSWORD 'a b+c/@:%'",
        "ALTER SYSTEM SET default_transaction_isolation = 'serializable'",
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    ];
    execute(&url, &habits).await;
    let at = server_of(&url);
    socket(theirs.path(), at);
    let host = theirs.path().display().to_string();
    let (port, escaped) = (at.port(), host.replace('/', "%2F"));
    let mut platform = platform(ours.path());
    for url in [
        format!("postgres://me%2F%40%3A%25:a%20b+c%2F%40%3A%25@127.0.0.1:{port}/postgres"),
        format!(
            "postgresql://localhost:{port}/postgres?user=me/@:%25&password=a%20b+c/@:%25&sslmode=prefer"
        ),
        format!("postgres://me%2F%40%3A%25:a%20b+c%2F%40%3A%25@/postgres?host={host}&port=5433"),
        format!(
            "postgres://me%2F%40%3A%25:a%20b+c%2F%40%3A%25@{escaped}:5433/postgres?application_name=x"
        ),
        format!("host={host} port=5433 user=me/@:% password='a b+c/@:%' dbname=postgres"),
    ] {
        platform.database = Source::Server(url.clone());
        let stack = platform.start(&spec(true)).await;
        let stack = stack.unwrap_or_else(|error| panic!("{url}: {error}"));
        let own = url_of(&stack).await;
        for (what, is) in [
            ("SELECT current_user::text", "me/@:%"),
            ("SHOW default_transaction_isolation", "read committed"),
            ("SHOW default_transaction_read_only", "off"),
        ] {
            assert_eq!(setting(&own, what).await, is, "{url}");
        }
        stack.control.stop().await.unwrap();
    }
    server.control.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_its_password() {
    let folder = folder();
    let mut platform = platform(folder.path());
    platform.database = Source::Server("postgres://me:secret@127.0.0.1:1/x".to_owned());
    let error = platform.start(&spec(true)).await.unwrap_err();
    let error = lab_say::reason(&error);
    assert!(
        error.contains("DATABASE_URL") && !error.contains("secret"),
        "{error}"
    );
    assert_eq!(error.matches("Connection refused").count(), 1, "{error}");
}

#[tokio::test]
async fn a_url_of_another_kind_of_server_is_refused_without_its_password() {
    let folder = folder();
    let mut platform = platform(folder.path());
    for url in ["mysql://me:secret@127.0.0.1:1/x", "me:secret@127.0.0.1", ""] {
        platform.database = Source::Server(url.to_owned());
        let error = platform.start(&spec(true)).await.unwrap_err().to_string();
        assert!(
            error.contains("no URL of a PostgreSQL server") && !error.contains("secret"),
            "{error}"
        );
    }
}
