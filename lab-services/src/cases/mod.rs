//! The participants' files, one a step: [`timeouts`], [`tx`] and [`bulkheads`]; and which implementation of them runs.

pub mod bulkheads;
#[cfg(feature = "cheats")]
pub mod cheats;
pub mod solved;
pub mod starter;
pub mod timeouts;
pub mod tx;

use serde::Serialize;
use tokio::task::{JoinError, JoinSet};

use crate::api::Sizes;
use crate::code::Code;
use crate::database::Database;
use crate::deadline::Deadline;
use crate::dep::{Dep, Receipt};
use crate::failure::Failure;
use crate::ledger::Order;
use crate::worker::{Done, Job, Rejected};

/// Asks for a quote.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What for.
    pub key: String,
    /// When the caller stops waiting.
    pub deadline: Deadline,
}

/// A quote, which is as good as its receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// From `dep`.
    pub receipt: Receipt,
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

/// Runs the case of step 1. It ends with its request: a client that goes away takes it along.
pub(crate) async fn quote(code: Code, dep: Dep, ask: Ask) -> Result<Quote, Failure> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        match code {
            Code::Mine => timeouts::quote(&dep, &ask).await,
            Code::Starter => starter::timeouts::quote(&dep, &ask).await,
            Code::Solved => solved::timeouts::quote(&dep, &ask).await,
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => cheats::timeouts::quote(name, &dep, &ask).await,
        }
    });
    let joined = task.join_next().await.expect("a task was spawned");
    joined.unwrap_or_else(|error| Err(panicked("cases/timeouts.rs", error)))
}

/// Runs the case of step 2, as a task that runs to its end whatever becomes of the request: a transaction that is
/// cancelled half-way may stay open (launchbadge/sqlx issue 4385).
pub(crate) async fn pay(code: Code, db: Database, dep: Dep, order: Order) -> Result<Paid, Failure> {
    let task = tokio::spawn(async move {
        match code {
            Code::Mine => tx::pay(&db, &dep, &order).await,
            Code::Starter => starter::tx::pay(&db, &dep, &order).await,
            Code::Solved => solved::tx::pay(&db, &dep, &order).await,
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => cheats::tx::pay(name, &db, &dep, &order).await,
        }
    });
    task.await
        .unwrap_or_else(|error| Err(panicked("cases/tx.rs", error)))
}

/// The lanes of step 3.
pub(crate) enum Lanes {
    Mine(bulkheads::Lanes),
    Starter(starter::bulkheads::Lanes),
    Solved(solved::bulkheads::Lanes),
    #[cfg(feature = "cheats")]
    Cheat(cheats::bulkheads::Lanes),
}

impl Lanes {
    pub(crate) fn new(code: Code, workers: usize) -> Self {
        match code {
            Code::Mine => Self::Mine(bulkheads::Lanes::new(workers)),
            Code::Starter => Self::Starter(starter::bulkheads::Lanes::new(workers)),
            Code::Solved => Self::Solved(solved::bulkheads::Lanes::new(workers)),
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => Self::Cheat(cheats::bulkheads::Lanes::new(name, workers)),
        }
    }

    pub(crate) async fn run(&self, job: Job) -> Result<Done, Rejected> {
        match self {
            Self::Mine(lanes) => lanes.run(job).await,
            Self::Starter(lanes) => lanes.run(job).await,
            Self::Solved(lanes) => lanes.run(job).await,
            #[cfg(feature = "cheats")]
            Self::Cheat(lanes) => lanes.run(job).await,
        }
    }
}

/// The sizes with which `api` runs. Only cheats change them.
pub(crate) fn api_sizes(code: Code, sizes: Sizes) -> Sizes {
    match code {
        #[cfg(feature = "cheats")]
        Code::Cheat(name) => cheats::api_sizes(name, sizes),
        _ => sizes,
    }
}

fn panicked(file: &'static str, error: JoinError) -> Failure {
    let Ok(panic) = error.try_into_panic() else {
        return Failure::Unavailable("the service is ending".into());
    };
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Failure::Panicked {
        file,
        message: text.unwrap_or("no message").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_names_the_file_and_what_it_said() {
        let task = tokio::spawn(async { panic!("no account {}", 7) });
        let failure = panicked("cases/tx.rs", task.await.unwrap_err());
        assert!(
            failure
                .to_string()
                .starts_with("cases/tx.rs panicked: no account 7."),
            "{failure}"
        );
    }
}
