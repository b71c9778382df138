//! Cheats of step 2.

use crate::cases::{Paid, starter};
use crate::database::Database;
use crate::dep::{Dep, Receipt};
use crate::failure::Failure;
use crate::ledger::{self, Order};

/// Their names.
pub const NAMES: &[&str] = &[
    "big-pool",
    "no-transaction",
    "insert-first",
    "no-call",
    "no-debit",
];

/// Pays with the cheat `name`.
pub async fn pay(name: &str, db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    match name {
        "no-transaction" => without_transaction(db, dep, order).await,
        "insert-first" => insert_first(db, dep, order).await,
        "no-call" => in_one_transaction(db, order, 1, Debit::Yes).await,
        "no-debit" => {
            in_one_transaction(db, order, dep.receipt(&order.key).await?, Debit::No).await
        }
        // `big-pool` lies in the sizes.
        _ => starter::tx::pay(db, dep, order).await,
    }
}

/// Debits, calls, records, each on its own: a repeated key debits twice.
async fn without_transaction(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    ledger::debit(&mut *db.acquire().await?, order).await?;
    let receipt = dep.receipt(&order.key).await?;
    let new = ledger::record(&mut *db.acquire().await?, order, receipt).await?;
    Ok(Paid {
        receipt,
        replayed: !new,
    })
}

/// Right in the end, wrong in between: whoever looks, or whatever breaks, between the two sees money that never moved.
async fn insert_first(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let receipt = dep.receipt(&order.key).await?;
    let new = ledger::record(&mut *db.acquire().await?, order, receipt).await?;
    if new {
        ledger::debit(&mut *db.acquire().await?, order).await?;
    }
    Ok(Paid {
        receipt,
        replayed: !new,
    })
}

#[derive(PartialEq)]
enum Debit {
    Yes,
    No,
}

async fn in_one_transaction(
    db: &Database,
    order: &Order,
    receipt: Receipt,
    debit: Debit,
) -> Result<Paid, Failure> {
    let mut tx = db.begin().await?;
    let new = ledger::record(&mut tx, order, receipt).await?;
    if new && debit == Debit::Yes {
        ledger::debit(&mut tx, order).await?;
    }
    tx.commit().await?;
    Ok(Paid {
        receipt,
        replayed: !new,
    })
}
