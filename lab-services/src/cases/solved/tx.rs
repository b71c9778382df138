//! Step 2: a payment debits an account, charges at `dep`, and records the receipt.

use crate::database::Database;
use crate::dep::Dep;
use crate::failure::Failure;
use crate::ledger::{self, Order, Paid};

/// Pays `order`, or says that it was paid before.
pub async fn pay(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    // The slow part comes first, with no connection in hand. If this process dies after it, the
    // payment is made but not recorded: the client asks again with the same key, `dep` answers
    // with the same receipt, and it is recorded then.
    let receipt = dep.receipt(&order.key).await?;

    let mut tx = db.begin().await?;
    if !ledger::record(&mut tx, order, receipt).await? {
        let receipt = ledger::recorded_receipt(&mut tx, &order.key).await?;
        tx.rollback().await?;
        return Ok(Paid::before(receipt));
    }
    ledger::debit(&mut tx, order).await?;
    tx.commit().await?;
    Ok(Paid::now(receipt))
}
