//! The payments as they are recorded.

use serde::Serialize;
use sqlx::PgPool;

/// A row of the ledger.
#[derive(Debug, Serialize)]
pub(super) struct Payment {
    key: String,
    account: i64,
    amount: i64,
    receipt: i64,
}

type Row = (String, i64, i64, i64);

/// All of them.
pub(super) async fn all(owner: &PgPool) -> sqlx::Result<Vec<Payment>> {
    let rows: Vec<Row> = sqlx::query_as("SELECT key, account, amount, receipt FROM payments")
        .fetch_all(owner)
        .await?;
    Ok(rows.into_iter().map(Payment::from).collect())
}

/// The one of a key, as it is recorded at this moment.
pub(super) async fn of(owner: &PgPool, key: &str) -> sqlx::Result<Option<Payment>> {
    let row: Option<Row> =
        sqlx::query_as("SELECT key, account, amount, receipt FROM payments WHERE key = $1")
            .bind(key)
            .fetch_optional(owner)
            .await?;
    Ok(row.map(Payment::from))
}

impl From<Row> for Payment {
    fn from((key, account, amount, receipt): Row) -> Self {
        Self {
            key,
            account,
            amount,
            receipt,
        }
    }
}
