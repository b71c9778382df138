//! The participants' files, one a step: [`timeouts`], [`tx`] and [`bulkheads`]; and which implementation of them runs.

#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod bulkheads;
#[cfg(feature = "cheats")]
pub mod cheats;
#[cfg(feature = "cheats")]
pub mod fixes;
pub mod solved;
pub mod starter;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod timeouts;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod tx;

use std::pin::Pin;

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

/// A case under way. It is boxed so that an edit of a case rebuilds the case alone, and not what calls it.
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs the case of step 1. It ends with its request: a client that goes away takes it along.
pub(crate) async fn quote(code: Code, dep: Dep, ask: Ask) -> Result<Quote, Failure> {
    let mut task = JoinSet::new();
    task.spawn(async move { start_quote(code, &dep, &ask).await });
    let joined = task.join_next().await.expect("a task was spawned");
    joined.unwrap_or_else(|error| Err(panicked("cases/timeouts.rs", error)))
}

fn start_quote<'a>(code: Code, dep: &'a Dep, ask: &'a Ask) -> Running<'a, Result<Quote, Failure>> {
    match code {
        Code::Mine => Box::pin(timeouts::quote(dep, ask)),
        Code::Starter => Box::pin(starter::timeouts::quote(dep, ask)),
        Code::Solved => Box::pin(solved::timeouts::quote(dep, ask)),
        #[cfg(feature = "cheats")]
        Code::Cheat(name) => Box::pin(cheats::timeouts::quote(name, dep, ask)),
        #[cfg(feature = "cheats")]
        Code::Fix(name) => Box::pin(fixes::timeouts::quote(name, dep, ask)),
    }
}

/// Runs the case of step 2, as a task that runs to its end whatever becomes of the request: a
/// transaction that is cancelled half-way may stay open (launchbadge/sqlx issue 4385).
pub(crate) async fn pay(code: Code, db: Database, dep: Dep, order: Order) -> Result<Paid, Failure> {
    let task = tokio::spawn(async move { start_pay(code, &db, &dep, &order).await });
    let joined = task.await;
    joined.unwrap_or_else(|error| Err(panicked("cases/tx.rs", error)))
}

fn start_pay<'a>(
    code: Code,
    db: &'a Database,
    dep: &'a Dep,
    order: &'a Order,
) -> Running<'a, Result<Paid, Failure>> {
    match code {
        Code::Mine => Box::pin(tx::pay(db, dep, order)),
        Code::Starter => Box::pin(starter::tx::pay(db, dep, order)),
        Code::Solved => Box::pin(solved::tx::pay(db, dep, order)),
        #[cfg(feature = "cheats")]
        Code::Cheat(name) => Box::pin(cheats::tx::pay(name, db, dep, order)),
        #[cfg(feature = "cheats")]
        Code::Fix(name) => Box::pin(fixes::tx::pay(name, db, dep, order)),
    }
}

/// The lanes of step 3.
pub(crate) enum Lanes {
    Mine(bulkheads::Lanes),
    Starter(starter::bulkheads::Lanes),
    Solved(solved::bulkheads::Lanes),
    #[cfg(feature = "cheats")]
    Cheat(cheats::bulkheads::Lanes),
    #[cfg(feature = "cheats")]
    Fix(fixes::bulkheads::Lanes),
}

impl Lanes {
    pub(crate) fn new(code: Code, workers: usize) -> Self {
        match code {
            Code::Mine => Self::Mine(bulkheads::Lanes::new(workers)),
            Code::Starter => Self::Starter(starter::bulkheads::Lanes::new(workers)),
            Code::Solved => Self::Solved(solved::bulkheads::Lanes::new(workers)),
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => Self::Cheat(cheats::bulkheads::Lanes::new(name, workers)),
            #[cfg(feature = "cheats")]
            Code::Fix(name) => Self::Fix(fixes::bulkheads::Lanes::new(name, workers)),
        }
    }

    pub(crate) fn run(&self, job: Job) -> Running<'_, Result<Done, Rejected>> {
        match self {
            Self::Mine(lanes) => Box::pin(lanes.run(job)),
            Self::Starter(lanes) => Box::pin(lanes.run(job)),
            Self::Solved(lanes) => Box::pin(lanes.run(job)),
            #[cfg(feature = "cheats")]
            Self::Cheat(lanes) => Box::pin(lanes.run(job)),
            #[cfg(feature = "cheats")]
            Self::Fix(lanes) => Box::pin(lanes.run(job)),
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
