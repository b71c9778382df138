//! Step 5: payments that are charged at a provider, and what is tried again.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::step::{ApiMeans, Case, Routes, Running, Step, case, panicked};
use crate::cases;
use crate::code::Code;
use crate::dep::Receipt;
use crate::failure::Failure;
use crate::metrics::Registry;
use crate::provider::Provider;
use crate::request::{self, Params};

pub(super) const STEP: Step = Step {
    routes: Routes::Api(routes),
    paths: &[PAYMENTS],
    case: Some(case!(retries)),
    sizes: |_, sizes| sizes,
};

const PAYMENTS: &str = "/cases/retries";

fn routes(means: &ApiMeans, _: &mut Registry) -> Router {
    let payments = Arc::new(Payments::start(means.code));
    let provider = Provider::new(means.dep.clone());
    Router::new()
        .route(PAYMENTS, post(pay))
        .with_state((payments, provider))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentParams {
    #[serde(deserialize_with = "request::key")]
    key: String,
}

/// Runs the case. It ends with its request: a client that goes away takes it along.
async fn pay(
    State((payments, provider)): State<(Arc<Payments>, Provider)>,
    Params(params): Params<PaymentParams>,
) -> Result<Json<Value>, Failure> {
    let mut task = JoinSet::new();
    task.spawn(async move { payments.pay(&provider, &params.key).await });
    let joined = task.join_next().await.expect("a task was spawned");
    let receipt = joined.unwrap_or_else(|error| Err(panicked("cases/retries.rs", error)))?;
    Ok(Json(json!({ "receipt": receipt })))
}

/// The payments of the implementation that runs.
enum Payments {
    Mine(cases::retries::Payments),
    Starter(cases::starter::retries::Payments),
    Solved(cases::solved::retries::Payments),
    #[cfg(feature = "cheats")]
    Cheat(cases::cheats::retries::Payments),
    #[cfg(feature = "cheats")]
    Fix(cases::fixes::retries::Payments),
}

impl Payments {
    fn start(code: Code) -> Self {
        match code {
            Code::Mine => Self::Mine(cases::retries::Payments::start()),
            Code::Starter => Self::Starter(cases::starter::retries::Payments::start()),
            Code::Solved => Self::Solved(cases::solved::retries::Payments::start()),
            #[cfg(feature = "cheats")]
            Code::Cheat(name) => Self::Cheat(cases::cheats::retries::Payments::start(name)),
            #[cfg(feature = "cheats")]
            Code::Fix(name) => Self::Fix(cases::fixes::retries::Payments::start(name)),
        }
    }

    fn pay<'a>(
        &'a self,
        provider: &'a Provider,
        key: &'a str,
    ) -> Running<'a, Result<Receipt, Failure>> {
        match self {
            Self::Mine(payments) => Box::pin(payments.pay(provider, key)),
            Self::Starter(payments) => Box::pin(payments.pay(provider, key)),
            Self::Solved(payments) => Box::pin(payments.pay(provider, key)),
            #[cfg(feature = "cheats")]
            Self::Cheat(payments) => Box::pin(payments.pay(provider, key)),
            #[cfg(feature = "cheats")]
            Self::Fix(payments) => Box::pin(payments.pay(provider, key)),
        }
    }
}
