//! A database of its own for each run on the server that `DATABASE_URL` names.
//!
//! The driver keeps one session open that holds an advisory lock in the name of the database. The
//! server frees it when the driver is gone, so a database whose lock is free is a leftover. It is
//! known as the driver's by its comment, and only such a one is ever dropped.

use std::{io, str::FromStr};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row, postgres::PgConnectOptions,
};
use tokio::time::timeout;

use super::{Access, PostgresError, conninfo::Conninfo};

/// First half of the advisory locks' key; the second is the hash of the database's name.
const LOCK_CLASS: i32 = 0x6c61_6200;

/// Comment on a run's database. Advisory locks count within one database, so the comment names the
/// one where they are held.
const COMMENT: &str = "rust workshop run, locked from ";

/// What PostgreSQL does where nobody says anything: a server may have other habits, and a run is the same on each.
const SETTINGS: [&str; 6] = [
    "default_transaction_isolation = 'read committed'",
    "default_transaction_read_only = off",
    "default_transaction_deferrable = off",
    "statement_timeout = 0",
    "lock_timeout = 0",
    "synchronous_commit = on",
];

/// A run's database.
#[derive(Debug)]
pub(in crate::platform::local) struct External {
    pub(super) access: Access,
    name: String,
    session: PgConnection,
}

impl External {
    /// Creates a database on the server of `url`, after dropping those of runs that crashed.
    pub(in crate::platform::local) async fn create(url: &str) -> Result<Self, PostgresError> {
        let server = Conninfo::parse(url).map_err(PostgresError::Url)?;
        let mut session = connect(&server)
            .await
            .map_err(failed("does not let us in"))?;
        sweep(&mut session)
            .await
            .map_err(failed("keeps the databases of crashed runs"))?;
        let name = format!("lab_{}_{:08x}", std::process::id(), fastrand::u32(..));
        create(&mut session, &name)
            .await
            .map_err(failed("does not let us create a database"))?;
        // Roles belong to the whole server, so a run's role bears the name of its database.
        let own = server.on(&name).map_err(PostgresError::Url)?;
        let access = Access::new(&own, &name)?;
        Ok(Self {
            access,
            name,
            session,
        })
    }

    /// Drops the database.
    pub(in crate::platform::local) async fn drop(mut self) -> Result<(), PostgresError> {
        drop_database(&mut self.session, &self.name)
            .await
            .map_err(failed("did not drop this run's database"))?;
        // The work is done; the server ends the session by itself, too.
        let _ = self.session.close().await;
        Ok(())
    }
}

fn failed(doing: &'static str) -> impl FnOnce(sqlx::Error) -> PostgresError {
    move |why| PostgresError::Server { doing, why }
}

/// A session that writes, whatever the server has sessions begin with.
async fn connect(server: &Conninfo) -> sqlx::Result<PgConnection> {
    let options = PgConnectOptions::from_str(&server.url())?.application_name("lab-driver");
    let connecting = options.connect();
    let mut session = match server.within {
        Some(within) => timeout(within, connecting)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into())),
        None => connecting.await,
    }?;
    sqlx::query("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        .execute(&mut session)
        .await?;
    Ok(session)
}

async fn create(session: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    // Locked first: from its creation on, the database is another driver's leftover otherwise.
    sqlx::query("SELECT pg_advisory_lock($1, hashtext($2))")
        .bind(LOCK_CLASS)
        .bind(name)
        .execute(&mut *session)
        .await?;
    // Names can't be bound; this one is made of letters, digits and underscores.
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut *session)
        .await?;
    let comment: String = sqlx::query_scalar("SELECT quote_literal($1 || current_database())")
        .bind(COMMENT)
        .fetch_one(&mut *session)
        .await?;
    sqlx::query(AssertSqlSafe(format!(
        "COMMENT ON DATABASE {name} IS {comment}"
    )))
    .execute(&mut *session)
    .await?;
    for setting in SETTINGS {
        sqlx::query(AssertSqlSafe(format!(
            "ALTER DATABASE {name} SET {setting}"
        )))
        .execute(&mut *session)
        .await?;
    }
    Ok(())
}

async fn sweep(session: &mut PgConnection) -> sqlx::Result<()> {
    let left = sqlx::query(
        "SELECT datname::text AS name FROM pg_database
         WHERE datname ~ '^lab_[0-9]+_[0-9a-f]{8}$'
           AND shobj_description(oid, 'pg_database') = $1 || current_database()
           AND pg_has_role(datdba, 'USAGE')",
    )
    .bind(COMMENT)
    .fetch_all(&mut *session)
    .await?;
    for row in left {
        let name: String = row.try_get("name")?;
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))")
            .bind(LOCK_CLASS)
            .bind(&name)
            .fetch_one(&mut *session)
            .await?;
        if free {
            drop_database(session, &name).await?;
            sqlx::query("SELECT pg_advisory_unlock($1, hashtext($2))")
                .bind(LOCK_CLASS)
                .bind(&name)
                .execute(&mut *session)
                .await?;
        }
    }
    Ok(())
}

async fn drop_database(session: &mut PgConnection, name: &str) -> sqlx::Result<()> {
    for what in [
        format!("DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("ROLE IF EXISTS {name}"),
    ] {
        sqlx::query(AssertSqlSafe(format!("DROP {what}")))
            .execute(&mut *session)
            .await?;
    }
    Ok(())
}
