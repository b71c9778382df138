//! Step 1: quotes, and the bystander beside them.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::step::{ApiMeans, Case, Routes, Running, Sizes, Step, case, panicked, start};
use crate::code::Code;
use crate::deadline::{self, Deadline};
use crate::dep::Dep;
use crate::failure::Failure;
use crate::metrics::Registry;
use crate::quote::{Ask, Quote};
use crate::request::{self, Params};

pub(super) const STEP: Step = Step {
    routes: Routes::Api(routes),
    paths: &[QUOTES, LOCAL],
    case: Some(case!(timeouts)),
    sizes,
};

const QUOTES: &str = "/cases/timeouts";
const LOCAL: &str = "/cases/local";

/// How long a caller is taken to wait where it doesn't say.
const PATIENCE: Duration = Duration::from_secs(10);

fn routes(means: &ApiMeans, _: &mut Registry) -> Router {
    Router::new()
        .route(QUOTES, get(timeouts))
        .route(LOCAL, get(local))
        .with_state(means.clone())
}

fn sizes(code: Code, sizes: Sizes) -> Sizes {
    match code {
        #[cfg(feature = "cheats")]
        Code::Cheat("more-slots") => Sizes {
            admission_slots: sizes.admission_slots * 16,
            ..sizes
        },
        _ => sizes,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteParams {
    #[serde(default, deserialize_with = "request::key")]
    key: String,
}

async fn timeouts(
    State(means): State<ApiMeans>,
    headers: HeaderMap,
    Params(params): Params<QuoteParams>,
) -> Result<Response, Failure> {
    let patience = deadline::time_left(&headers).unwrap_or(PATIENCE);
    let ask = Ask {
        key: params.key,
        deadline: Deadline::after(patience),
    };
    let quote = quote(means.code, means.dep, ask).await?;
    Ok(Json(quote).into_response())
}

/// The bystander: needs nothing but a slot.
async fn local() -> Response {
    let sum = (1..=1000_u32).fold(0, |sum: u32, step| sum.rotate_left(3) ^ step);
    Json(json!({ "sum": sum })).into_response()
}

/// Runs the case. It ends with its request: a client that goes away takes it along.
async fn quote(code: Code, dep: Dep, ask: Ask) -> Result<Quote, Failure> {
    let mut task = JoinSet::new();
    task.spawn(async move { start(code, &dep, &ask).await });
    let joined = task.join_next().await.expect("a task was spawned");
    joined.unwrap_or_else(|error| Err(panicked("cases/timeouts.rs", error)))
}

fn start<'a>(code: Code, dep: &'a Dep, ask: &'a Ask) -> Running<'a, Result<Quote, Failure>> {
    start!(code, timeouts::quote(dep, ask))
}
