//! The database of `api`: a small pool for the cases that counts who waits, and a connection of its own for looking on.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, SqlSafeStr, Transaction};
use tokio::sync::watch;

use crate::failure::Failure;

/// The server itself ends a transaction that was left open this long. A cancelled `begin` of sqlx 0.9.0 leaves one
/// (launchbadge/sqlx issues 4385 and 4393), and so does a process that dies on the wrong side of a network.
const IDLE_IN_TRANSACTION: &str = "5s";

/// How long the migration waits between attempts while the database is out of reach.
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
    observer: PgPool,
    waiting: Arc<AtomicI64>,
    readiness: watch::Receiver<Readiness>,
    application: Arc<str>,
}

impl Database {
    /// Connects in the background, and brings the tables up to date there.
    pub(crate) fn open(url: &str, size: PoolSize) -> Result<Self> {
        let application = format!("lab-api-{:08x}", fastrand::u32(..));
        let base = connect_options(url)?
            .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)]);
        let pool = PgPoolOptions::new()
            .max_connections(size.connections)
            .acquire_timeout(size.acquire_timeout)
            .connect_lazy_with(base.clone().application_name(&application));
        let observer = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy_with(base.application_name("lab-observer"));
        let (report, readiness) =
            watch::channel(Some("the database is not migrated yet".to_owned()));
        tokio::spawn(migrate_until_done(observer.clone(), report));
        Ok(Self {
            pool,
            observer,
            waiting: Arc::default(),
            readiness,
            application: application.into(),
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

    pub(crate) fn observer(&self) -> &PgPool {
        &self.observer
    }

    /// The name of the pool's connections in `pg_stat_activity`; unique to this process.
    pub(crate) fn application(&self) -> &str {
        &self.application
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
fn connect_options(url: &str) -> Result<PgConnectOptions> {
    const SHAPE: &str =
        "--database-url is not one of Postgres, as in postgres://user:password@host:5432/database";
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    ensure!(matches!(scheme, Some("postgres" | "postgresql")), SHAPE);
    PgConnectOptions::from_str(url).context(SHAPE)
}

async fn migrate_until_done(pool: PgPool, report: watch::Sender<Readiness>) {
    let migrator = migrator();
    while let Err(error) = migrator.run(&pool).await {
        tracing::warn!(%error, "the database is not ready");
        report.send_replace(Some(format!("the database is not ready: {error}")));
        tokio::time::sleep(RETRY).await;
    }
    tracing::info!("database ready");
    report.send_replace(None);
}

/// The migrations, embedded. Built by hand: sqlx's macro for it would compile sqlx a second time.
fn migrator() -> Migrator {
    let ledger = include_str!("../migrations/0001_ledger.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(
        1,
        "ledger".into(),
        MigrationType::Simple,
        ledger,
        false,
    )])
}
