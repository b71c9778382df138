//! Payments, and the statements of the ledger that they go into: accounts are debited, and payments say what for.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use sqlx::PgConnection;

use crate::dep::Receipt;
use crate::failure::Failure;
use crate::request;

/// What an account opens with.
const LARGEST_AMOUNT: i64 = 1_000_000;

/// A payment that a client asks for. A client that tries again sends the same key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Names the payment; whatever is repeated with it happens once.
    #[serde(deserialize_with = "request::key")]
    pub key: String,
    /// The account to take the money from.
    pub account: i64,
    /// How much.
    #[serde(deserialize_with = "amount")]
    pub amount: i64,
}

/// An amount that takes something and not more than there can be.
fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let amount = i64::deserialize(from)?;
    if !(1..=LARGEST_AMOUNT).contains(&amount) {
        return Err(D::Error::custom(format!(
            "an amount is 1 to {LARGEST_AMOUNT}, not {amount}"
        )));
    }
    Ok(amount)
}

/// A payment made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paid {
    /// From `dep`.
    pub receipt: Receipt,
    /// Whether it had been made before.
    pub replayed: bool,
}

impl Paid {
    /// Made with this request.
    pub fn now(receipt: Receipt) -> Self {
        Self {
            receipt,
            replayed: false,
        }
    }

    /// Made with an earlier request of the same key.
    pub fn before(receipt: Receipt) -> Self {
        Self {
            receipt,
            replayed: true,
        }
    }
}

/// Takes the money from the account.
pub async fn debit(connection: &mut PgConnection, order: &Order) -> Result<(), Failure> {
    let debited = sqlx::query("UPDATE accounts SET balance = balance - $2 WHERE id = $1")
        .bind(order.account)
        .bind(order.amount)
        .execute(connection)
        .await?;
    match debited.rows_affected() {
        0 => Err(Failure::NoSuchAccount(order.account)),
        _ => Ok(()),
    }
}

/// Records the payment, unless its key is there already. Says whether it was new.
pub async fn record(
    connection: &mut PgConnection,
    order: &Order,
    receipt: Receipt,
) -> Result<bool, Failure> {
    let recorded = sqlx::query(
        "INSERT INTO payments (key, account, amount, receipt) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING",
    )
    .bind(&order.key)
    .bind(order.account)
    .bind(order.amount)
    .bind(receipt.cast_signed())
    .execute(connection)
    .await;
    match recorded {
        Ok(recorded) => Ok(recorded.rows_affected() == 1),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            Err(Failure::NoSuchAccount(order.account))
        }
        Err(error) => Err(error.into()),
    }
}

/// The receipt recorded for a key.
pub async fn recorded_receipt(
    connection: &mut PgConnection,
    key: &str,
) -> Result<Receipt, Failure> {
    let receipt: i64 = sqlx::query_scalar("SELECT receipt FROM payments WHERE key = $1")
        .bind(key)
        .fetch_one(connection)
        .await?;
    Ok(receipt.cast_unsigned())
}
