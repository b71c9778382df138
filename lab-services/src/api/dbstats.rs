//! What the database sees of the pool, through a connection of its own, so that a dry pool doesn't blind it.

use serde::Serialize;

use crate::database::Database;

/// The pool from inside, its connections from the server's side, and the ledger.
#[derive(Debug, Serialize)]
pub(super) struct DbStats {
    pool: PoolStats,
    activity: Activity,
    ledger: Ledger,
}

#[derive(Debug, Serialize)]
struct PoolStats {
    max: u32,
    size: u32,
    idle: u32,
    in_use: u32,
    waiting: i64,
}

#[derive(Debug, Serialize)]
struct Activity {
    active: i64,
    idle: i64,
    idle_in_transaction: i64,
    oldest_transaction_ms: f64,
}

#[derive(Debug, Serialize)]
struct Ledger {
    accounts: i64,
    debited: i64,
    payments: i64,
    paid: i64,
    gap: i64,
    split: i64,
}

const ACTIVITY: &str = "
    SELECT count(*) FILTER (WHERE state = 'active'),
           count(*) FILTER (WHERE state = 'idle'),
           count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
           coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) * 1000, 0)::float8
    FROM pg_stat_activity
    WHERE application_name = $1";

/// One statement, thus one snapshot: a payment is in both sums or in neither. `split` counts the transactions that
/// debited without recording as much, or recorded without debiting as much.
const LEDGER: &str = "
    SELECT accounts, debited, payments, paid, split
    FROM (SELECT count(*) AS accounts, coalesce(sum(opening - balance), 0)::int8 AS debited FROM accounts) AS a,
         (SELECT count(*) AS payments, coalesce(sum(amount), 0)::int8 AS paid FROM payments) AS p,
         (SELECT count(*) AS split
          FROM (SELECT FROM audit GROUP BY transaction HAVING sum(debited) <> sum(paid)) AS uneven) AS s";

pub(super) async fn dbstats(database: &Database) -> Result<DbStats, sqlx::Error> {
    let mut connection = database.observer().acquire().await?;
    let (active, idle, idle_in_transaction, oldest_transaction_ms) = sqlx::query_as(ACTIVITY)
        .bind(database.application())
        .fetch_one(&mut *connection)
        .await?;
    let (accounts, debited, payments, paid, split): (i64, i64, i64, i64, i64) =
        sqlx::query_as(LEDGER).fetch_one(&mut *connection).await?;
    Ok(DbStats {
        pool: pool_stats(database),
        activity: Activity {
            active,
            idle,
            idle_in_transaction,
            oldest_transaction_ms,
        },
        ledger: Ledger {
            accounts,
            debited,
            payments,
            paid,
            gap: debited - paid,
            split,
        },
    })
}

fn pool_stats(database: &Database) -> PoolStats {
    let pool = database.pool();
    let size = pool.size();
    let idle = (pool.num_idle() as u32).min(size);
    let max = pool.options().get_max_connections();
    PoolStats {
        max,
        size,
        idle,
        in_use: size - idle,
        waiting: database.waiting(),
    }
}
