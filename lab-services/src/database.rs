//! The database of `api`: a small pool for the cases that counts who waits. Its tables are the auditor's.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::watch;

use crate::failure::Failure;

/// The server itself ends a transaction that was left open this long. A cancelled `begin` of sqlx 0.9.0 leaves one
/// (launchbadge/sqlx issues 4385 and 4393), and so does a process that dies on the wrong side of a network.
pub(crate) const IDLE_IN_TRANSACTION: &str = "5s";

/// How long the first look waits between attempts while the database is out of reach.
const RETRY: Duration = Duration::from_millis(250);

/// How large the pool is and how long a case may wait for a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSize {
    pub(crate) connections: u32,
    pub(crate) acquire_timeout: Duration,
}

/// What keeps the database from being used, or nothing.
type Readiness = Option<String>;

/// The database, as the cases use it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    waiting: Arc<AtomicI64>,
    readiness: watch::Receiver<Readiness>,
}

impl Database {
    /// Connects in the background, and waits there for the auditor's tables.
    pub(crate) fn open(url: &str, size: PoolSize) -> Result<Self> {
        let options = connect_options(url)?
            .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)])
            .application_name("lab-api");
        let pool = PgPoolOptions::new()
            .max_connections(size.connections)
            .acquire_timeout(size.acquire_timeout)
            .connect_lazy_with(options);
        let (report, readiness) = watch::channel(Some("the database was not seen yet".to_owned()));
        tokio::spawn(look_until_there(pool.clone(), report));
        Ok(Self {
            pool,
            waiting: Arc::default(),
            readiness,
        })
    }

    /// Begins a transaction on a connection of the pool. It rolls back when dropped without a commit.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let _waiting = Waiting::start(&self.waiting);
        self.pool.begin().await
    }

    /// Takes a connection of the pool. Each statement on it commits by itself.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let _waiting = Waiting::start(&self.waiting);
        self.pool.acquire().await
    }

    /// An error for as long as the database is out of reach, or its tables are not up to date.
    pub(crate) fn ready(&self) -> Result<(), Failure> {
        self.readiness
            .borrow()
            .clone()
            .map_or(Ok(()), |why| Err(Failure::Unavailable(why)))
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How many wait for a connection.
    pub(crate) fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// One that waits for a connection.
struct Waiting<'a>(&'a AtomicI64);

impl<'a> Waiting<'a> {
    fn start(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads a URL. The message never shows it, because it may hold a password.
pub(crate) fn connect_options(url: &str) -> Result<PgConnectOptions> {
    const SHAPE: &str =
        "--database-url is not one of Postgres, as in postgres://user:password@host:5432/database";
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    ensure!(matches!(scheme, Some("postgres" | "postgresql")), SHAPE);
    // Its text has the cause in it.
    PgConnectOptions::from_str(url).map_err(|error| anyhow!("{SHAPE}: {error}"))
}

async fn look_until_there(pool: PgPool, report: watch::Sender<Readiness>) {
    let look = || sqlx::query("SELECT FROM accounts, payments LIMIT 1").execute(&pool);
    while let Err(error) = look().await {
        tracing::warn!(%error, "the database is not ready");
        report.send_replace(Some(format!("the database is not ready: {error}")));
        tokio::time::sleep(RETRY).await;
    }
    tracing::info!("database ready");
    report.send_replace(None);
}
