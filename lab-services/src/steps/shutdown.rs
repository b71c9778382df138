//! Step 6: pages, orders whose work goes on after their answer, and how this process leaves after a signal.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::step::{ApiMeans, Case, Routes, Running, Step, case, start};
use crate::code::Code;
use crate::failure::Failure;
use crate::metrics::Registry;
use crate::refusal::refusal;
use crate::replica::Replica;
use crate::request::{self, Params};

pub(super) const STEP: Step = Step {
    routes: Routes::Api(routes),
    paths: &[PAGES, ORDERS],
    case: Some(case!(shutdown)),
    sizes: |_, sizes| sizes,
};

const PAGES: &str = "/cases/shutdown";
const ORDERS: &str = "/cases/shutdown/orders";

/// The longest work that one order may ask for.
const MOST_WORK_MS: u64 = 10_000;

fn routes(means: &ApiMeans, _: &mut Registry) -> Router {
    Router::new()
        .route(PAGES, post(page))
        .route(ORDERS, post(order))
        .with_state(means.clone())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageParams {
    #[serde(default, deserialize_with = "request::key")]
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderParams {
    #[serde(default, deserialize_with = "request::key")]
    key: String,
    #[serde(default = "default_work_ms")]
    work_ms: u64,
}

const fn default_work_ms() -> u64 {
    2000
}

/// Answers once `dep` has.
async fn page(
    State(means): State<ApiMeans>,
    Params(params): Params<PageParams>,
) -> Result<Json<Value>, Failure> {
    let receipt = means.dep.receipt(&params.key).await?;
    Ok(Json(json!({ "receipt": receipt })))
}

/// Answers at once that the order is accepted; its work, a call of `dep`, goes on in the background.
async fn order(State(means): State<ApiMeans>, Params(params): Params<OrderParams>) -> Response {
    let OrderParams { key, work_ms } = params;
    if work_ms > MOST_WORK_MS {
        return refusal(
            StatusCode::BAD_REQUEST,
            format!("work_ms is at most {MOST_WORK_MS}, not {work_ms}"),
        );
    }
    let accepted = Json(json!({ "accepted": key }));
    let dep = means.dep;
    means.replica.accept(async move {
        let takes = Duration::from_millis(work_ms);
        if let Err(error) = dep.receipt_of_work(&key, takes).await {
            tracing::error!(%key, %error, "an accepted order was not carried out");
        }
    });
    (StatusCode::ACCEPTED, accepted).into_response()
}

/// What this process does between a signal and its end, as `code` says.
pub(crate) async fn leave(code: Code, replica: Replica) {
    start(code, &replica).await;
}

fn start(code: Code, replica: &Replica) -> Running<'_, ()> {
    start!(code, shutdown::leave(replica))
}
