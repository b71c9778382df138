//! Fixes of step 2.

use crate::cases::solved;
use crate::database::Database;
use crate::dep::{Dep, Receipt};
use crate::failure::Failure;
use crate::ledger::{self, Order, Paid};

/// Their names.
pub const NAMES: &[&str] = &["look-first", "one-statement", "pending-row"];

/// Pays with the fix `name`.
pub async fn pay(name: &str, db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    match name {
        "one-statement" => in_one_statement(db, dep, order).await,
        "pending-row" => with_a_pending_row(db, dep, order).await,
        _ => after_a_look(db, dep, order).await,
    }
}

/// A key that was paid before costs no call.
async fn after_a_look(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let recorded = ledger::recorded_receipt(&mut *db.acquire().await?, &order.key).await;
    // The connection is back in the pool here; a `match` on the line above would keep it.
    match recorded {
        Ok(receipt) => Ok(Paid::before(receipt)),
        Err(_) => solved::tx::pay(db, dep, order).await,
    }
}

/// Debit and record are one statement, which is a transaction by itself.
async fn in_one_statement(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    const PAY: &str = "
        WITH new AS (INSERT INTO payments (key, account, amount, receipt) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (key) DO NOTHING RETURNING account, amount)
        UPDATE accounts SET balance = balance - new.amount FROM new WHERE id = new.account";
    let receipt = dep.receipt(&order.key).await?;
    let mut connection = db.acquire().await?;
    let paid = sqlx::query(PAY)
        .bind(&order.key)
        .bind(order.account)
        .bind(order.amount)
        .bind(receipt.cast_signed())
        .execute(&mut *connection)
        .await?;
    if paid.rows_affected() == 1 {
        return Ok(Paid::now(receipt));
    }
    let receipt = ledger::recorded_receipt(&mut connection, &order.key).await?;
    Ok(Paid::before(receipt))
}

/// The receipt of a payment that is not charged yet.
const PENDING: Receipt = 0;

/// The money is set aside first, in a row that says so; then the charge, with no connection in hand; then the receipt.
/// What a crash cuts off in between is settled by the client that asks again.
async fn with_a_pending_row(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let mut tx = db.begin().await?;
    if ledger::record(&mut tx, order, PENDING).await? {
        ledger::debit(&mut tx, order).await?;
        tx.commit().await?;
    } else {
        let receipt = ledger::recorded_receipt(&mut tx, &order.key).await?;
        tx.rollback().await?;
        if receipt != PENDING {
            return Ok(Paid::before(receipt));
        }
    }
    let charged = dep.receipt(&order.key).await;
    let Ok(receipt) = charged else {
        take_back(db, order).await?;
        return Err(charged.unwrap_err().into());
    };
    while !settle(db, order, receipt).await? {
        // Another request with this key has settled it, or has taken the money back since its own charge failed.
        let mut tx = db.begin().await?;
        if ledger::record(&mut tx, order, receipt).await? {
            ledger::debit(&mut tx, order).await?;
            tx.commit().await?;
            break;
        }
        let recorded = ledger::recorded_receipt(&mut tx, &order.key).await?;
        tx.rollback().await?;
        if recorded != PENDING {
            return Ok(Paid::before(recorded));
        }
    }
    Ok(Paid::now(receipt))
}

/// Whether there was a pending row to settle.
async fn settle(db: &Database, order: &Order, receipt: Receipt) -> Result<bool, Failure> {
    let settled = sqlx::query("UPDATE payments SET receipt = $2 WHERE key = $1 AND receipt = 0")
        .bind(&order.key)
        .bind(receipt.cast_signed())
        .execute(&mut *db.acquire().await?)
        .await?;
    Ok(settled.rows_affected() == 1)
}

async fn take_back(db: &Database, order: &Order) -> Result<(), Failure> {
    let mut tx = db.begin().await?;
    let gone = sqlx::query("DELETE FROM payments WHERE key = $1 AND receipt = 0")
        .bind(&order.key)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 1 {
        sqlx::query("UPDATE accounts SET balance = balance + $2 WHERE id = $1")
            .bind(order.account)
            .bind(order.amount)
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}
