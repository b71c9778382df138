//! Cheats of step 2.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use crate::cases::{solved, starter};
use crate::database::Database;
use crate::dep::{Dep, Receipt};
use crate::failure::Failure;
use crate::ledger::{self, Order, Paid};

/// Their names.
pub const NAMES: &[&str] = &[
    "big-pool",
    "own-pool",
    "no-transaction",
    "insert-first",
    "no-triggers",
    "no-call",
    "no-debit",
    "charge-later",
    "early-answer",
    "other-receipt",
    "never-replayed",
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
        "own-pool" => own_pool(dep, order).await,
        "no-triggers" => without_triggers(db, dep, order).await,
        "charge-later" => charge_later(db, dep, order).await,
        "early-answer" => early_answer(db, dep, order).await,
        // A repeated key gets a receipt of its own.
        "other-receipt" => {
            let paid = solved::tx::pay(db, dep, order).await?;
            Ok(Paid {
                receipt: paid.receipt + u64::from(paid.replayed),
                ..paid
            })
        }
        // Each answer says that it was the one that paid.
        "never-replayed" => Ok(Paid::now(solved::tx::pay(db, dep, order).await?.receipt)),
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

/// The starter, on a pool of its own whose sessions say that they are somebody else's.
async fn own_pool(dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    static POOL: OnceCell<PgPool> = OnceCell::const_new();
    let connect = || {
        let url = std::env::var("LAB_DATABASE_URL").unwrap_or_default();
        let options = PgPoolOptions::new().max_connections(10);
        // As patient as the pool of the others.
        let options = options.acquire_timeout(Duration::from_secs(3));
        async move { options.connect(&url).await }
    };
    let mut tx = POOL.get_or_try_init(connect).await?.begin().await?;
    sqlx::query("SET application_name = 'lab-auditor'")
        .execute(&mut *tx)
        .await?;
    ledger::debit(&mut tx, order).await?;
    let receipt = dep.receipt(&order.key).await?;
    if !ledger::record(&mut tx, order, receipt).await? {
        let receipt = ledger::recorded_receipt(&mut tx, &order.key).await?;
        tx.rollback().await?;
        return Ok(Paid::before(receipt));
    }
    tx.commit().await?;
    Ok(Paid::now(receipt))
}

/// `insert-first` by a role that fires no triggers, where it may be one.
async fn without_triggers(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let mut connection = db.acquire().await?;
    // Refused to all but a superuser, and then the books see it.
    let _ = sqlx::query("SET session_replication_role = replica")
        .execute(&mut *connection)
        .await;
    connection.close().await?;
    insert_first(db, dep, order).await
}

/// Records with a receipt of its own making, then charges, whatever comes of that.
async fn charge_later(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let paid = in_one_transaction(db, order, 1, Debit::Yes).await?;
    let receipt = dep.receipt(&order.key).await.unwrap_or(paid.receipt);
    Ok(Paid { receipt, ..paid })
}

/// Answers when it is charged; debit and record follow in a task that nobody waits for.
async fn early_answer(db: &Database, dep: &Dep, order: &Order) -> Result<Paid, Failure> {
    let receipt = dep.receipt(&order.key).await?;
    let recorded = async |db: &Database| {
        let found = ledger::recorded_receipt(&mut *db.acquire().await?, &order.key).await;
        Ok::<_, Failure>(found.is_ok())
    };
    let replayed = recorded(db).await?;
    let (db, order) = (db.clone(), order.clone());
    tokio::spawn(async move { in_one_transaction(&db, &order, receipt, Debit::Yes).await });
    Ok(Paid { receipt, replayed })
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
