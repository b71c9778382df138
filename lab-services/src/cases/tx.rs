//! Step 2: a payment debits an account, charges at `dep`, and records the receipt.

use crate::database::Database;
use crate::dep::Dep;
use crate::failure::Failure;
use crate::ledger::{self, Order, Paid};

// LAB: STEP2 TODO
// From `begin` to `commit` a transaction owns one of 10 connections, and `dep` takes 200 ms.
// How many payments a second is that at most? What does PostgreSQL do in the meantime?
// Keep this true: a key is paid once, and asking again gives the same receipt, as at `dep`.

/// Pays `order`, or says that it was paid before.
pub async fn pay(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let mut tx = db.begin().await?;
    ledger::debit(&mut tx, order).await?;
    let receipt = dep.receipt(&order.key).await?;
    let new = ledger::record(&mut tx, order, receipt).await?;

    if !new {
        tx.rollback().await?;
        let receipt = ledger::recorded_receipt(&mut *db.acquire().await?, &order.key).await?;
        return Ok(Paid::before(receipt));
    }
    tx.commit().await?;
    Ok(Paid::now(receipt))
}
