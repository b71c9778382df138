//! The tables, and the role with which `api` uses them: one that owns nothing, can't switch the books off, and gets
//! no more connections than its pool has, by PostgreSQL itself.

use anyhow::{Context, Result};
use clap::{Args, value_parser};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, SqlSafeStr};

use crate::database::IDLE_IN_TRANSACTION;

/// Two auditors that start together take turns.
const TURN: i64 = 0x6c61_6261_7564_6974;

/// The role of `api`.
#[derive(Args, Clone)]
pub(super) struct Client {
    /// The role with which `api` connects; it is made where there is none.
    #[arg(long = "client-role", env = "LAB_CLIENT_ROLE", value_name = "NAME")]
    role: String,
    /// Its password.
    #[arg(
        long = "client-password",
        env = "LAB_CLIENT_PASSWORD",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    password: String,
    /// Connections that it gets at most: as many as the pool of `api` has.
    #[arg(long, env = "LAB_POOL_SIZE", default_value_t = 10, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
    pool_size: u32,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "role {}, {} connections", self.role, self.pool_size)
    }
}

/// Brings the tables up to date and makes the role, or makes it as it should be.
pub(super) async fn set_up(owner: &PgPool, client: &Client) -> Result<()> {
    migrator().run(owner).await?;
    let mut transaction = owner.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(TURN)
        .execute(&mut *transaction)
        .await?;
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(&client.role)
        .fetch_one(&mut *transaction)
        .await?;
    if !known {
        let made = statement(&mut transaction, client, "CREATE ROLE %1$I").await;
        made.context(
            "the owner can't create the role of api; the user of DATABASE_URL needs CREATEROLE",
        )?;
    }
    for template in RIGHTS {
        statement(&mut transaction, client, template).await?;
    }
    Ok(transaction.commit().await?)
}

/// What the role is and what it may do, as templates of PostgreSQL's `format`: 1 is the role, 2 the password, 3 the
/// number of connections, 4 the time after which a transaction that idles is ended, 5 the database.
const RIGHTS: [&str; 9] = [
    "ALTER ROLE %1$I LOGIN PASSWORD %2$L CONNECTION LIMIT %3$s",
    "ALTER ROLE %1$I SET idle_in_transaction_session_timeout = %4$L",
    // To see in `pg_stat_activity` what its sessions do.
    "GRANT %1$I TO CURRENT_USER",
    // Before PostgreSQL 15 everybody could make tables there.
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "REVOKE TEMPORARY ON DATABASE %5$I FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO %1$I",
    "GRANT SELECT, UPDATE (balance) ON accounts TO %1$I",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON payments TO %1$I",
    "REVOKE ALL ON audit FROM %1$I",
];

/// Names and passwords can't be bound in such statements; PostgreSQL itself quotes them.
async fn statement(
    connection: &mut PgConnection,
    client: &Client,
    template: &str,
) -> sqlx::Result<()> {
    let statement: String =
        sqlx::query_scalar("SELECT format($1, $2, $3, $4, $5, current_database())")
            .bind(template)
            .bind(&client.role)
            .bind(&client.password)
            .bind(client.pool_size.to_string())
            .bind(IDLE_IN_TRANSACTION)
            .fetch_one(&mut *connection)
            .await?;
    sqlx::query(AssertSqlSafe(statement))
        .execute(connection)
        .await?;
    Ok(())
}

/// The migrations, embedded. Built by hand: sqlx's macro for it would compile sqlx a second time.
fn migrator() -> Migrator {
    let ledger = include_str!("../../migrations/0001_ledger.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(
        1,
        "ledger".into(),
        MigrationType::Simple,
        ledger,
        false,
    )])
}
