//! What the database sees: who is connected and doing what, and the ledger's sums.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::PgPool;

use super::ages::Ages;

/// The sessions of everybody but the owner, and the ledger.
#[derive(Debug, Serialize)]
pub(super) struct DbStats {
    activity: Activity,
    ledger: Ledger,
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
    split: i64,
    uneven: i64,
}

/// By role and not by application name, which each session sets for itself.
const ACTIVITY: &str = "
    SELECT count(*) FILTER (WHERE state = 'active'),
           count(*) FILTER (WHERE state = 'idle'),
           count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
           coalesce(array_agg(pid) FILTER (WHERE xact_start IS NOT NULL), '{}'),
           coalesce(array_agg((extract(epoch FROM xact_start) * 1000000)::int8) FILTER (WHERE xact_start IS NOT NULL), '{}'),
           coalesce(array_agg(extract(epoch FROM clock_timestamp() - xact_start)::float8)
                    FILTER (WHERE xact_start IS NOT NULL), '{}')
    FROM pg_stat_activity
    WHERE datname = current_database() AND usename <> current_user";

/// One statement, thus one snapshot: a payment is in all sums or in none. `split` counts the transactions that
/// debited without recording as much, or recorded without debiting as much; `uneven` the accounts whose debits are not
/// what their payments say.
const LEDGER: &str = "
    WITH paid AS (SELECT account, sum(amount) AS amount FROM payments GROUP BY account)
    SELECT accounts, debited, payments, paid, split, uneven
    FROM (SELECT count(*) AS accounts, coalesce(sum(opening - balance), 0)::int8 AS debited,
                 count(*) FILTER (WHERE opening - balance <> coalesce(amount, 0)) AS uneven
          FROM accounts LEFT JOIN paid ON account = id) AS a,
         (SELECT count(*) AS payments, coalesce(sum(amount), 0)::int8 AS paid FROM payments) AS p,
         (SELECT count(*) AS split
          FROM (SELECT FROM audit GROUP BY transaction HAVING sum(debited) <> sum(paid)) AS halves) AS s";

/// Counts of sessions, and of each open transaction the process, its begin and its age.
type Sessions = (i64, i64, i64, Vec<i32>, Vec<i64>, Vec<f64>);

pub(super) async fn dbstats(owner: &PgPool, ages: &Mutex<Ages>) -> Result<DbStats, sqlx::Error> {
    let mut connection = owner.acquire().await?;
    let now = Instant::now();
    let sessions: Sessions = sqlx::query_as(ACTIVITY).fetch_one(&mut *connection).await?;
    let (active, idle, idle_in_transaction, processes, begins, by_time_of_day) = sessions;
    let open = processes.into_iter().zip(begins).zip(by_time_of_day);
    let oldest = (ages.lock().unwrap_or_else(PoisonError::into_inner)).oldest(now, open);
    let (accounts, debited, payments, paid, split, uneven) =
        sqlx::query_as(LEDGER).fetch_one(&mut *connection).await?;
    Ok(DbStats {
        activity: Activity {
            active,
            idle,
            idle_in_transaction,
            oldest_transaction_ms: in_ms(oldest),
        },
        ledger: Ledger {
            accounts,
            debited,
            payments,
            paid,
            split,
            uneven,
        },
    })
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
