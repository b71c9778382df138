//! The routes of `api`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::admission::Admission;
use super::pool::PoolMetrics;
use super::{Api, Database};
use crate::cases::{self, Ask};
use crate::deadline::{self, Deadline};
use crate::failure::{Failure, refusal};
use crate::ledger::Order;
use crate::metrics::{self, Registry};
use crate::peers::{self, Peers};
use crate::quota::CpuMetrics;
use crate::request::{self, JsonBody, Params};

/// How long a caller is taken to wait where it doesn't say.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most CPU time that one request may ask for.
const MAX_CPU_MS: u64 = 1000;

pub(super) fn routes(api: Api, peers: Peers, slots: u32, crashable: bool) -> Router {
    let admission = Admission::new(slots);
    let mut registry = Registry::default();
    admission.register(&mut registry);
    registry.register_collector(Box::new(CpuMetrics(Arc::clone(&api.cpu))));
    if let Some(database) = &api.database {
        registry.register_collector(Box::new(PoolMetrics(database.clone())));
    }

    let cases = Router::new()
        .route("/cases/timeouts", get(timeouts))
        .route("/cases/local", get(local))
        .route("/cases/tx", post(tx))
        .route("/cases/autoscale", get(autoscale))
        .with_state(api.clone());
    let mut upkeep = Router::new()
        .route("/healthz", get("ok"))
        .route("/readyz", get(ready))
        .route("/debug/code", get(crate::code::sources))
        .with_state(api);
    if crashable {
        // No answer, no goodbye to anybody: what SIGKILL does.
        upkeep = upkeep.route(
            "/debug/crash",
            post(async || -> () { std::process::abort() }),
        );
    }
    admission
        .limit(cases)
        .merge(upkeep)
        .merge(peers::routes(peers))
        .merge(metrics::routes(registry))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteParams {
    #[serde(default, deserialize_with = "request::key")]
    key: String,
}

async fn timeouts(
    State(api): State<Api>,
    headers: HeaderMap,
    Params(params): Params<QuoteParams>,
) -> Result<Response, Failure> {
    let patience = deadline::time_left(&headers).unwrap_or(PATIENCE);
    let ask = Ask {
        key: params.key,
        deadline: Deadline::after(patience),
    };
    let quote = cases::quote(api.code, api.dep, ask).await?;
    Ok(Json(quote).into_response())
}

/// The bystander: needs nothing but a slot.
async fn local() -> Response {
    let sum = (1..=1000_u32).fold(0, |sum: u32, step| sum.rotate_left(3) ^ step);
    Json(json!({ "sum": sum })).into_response()
}

async fn tx(State(api): State<Api>, JsonBody(order): JsonBody<Order>) -> Result<Response, Failure> {
    let database = api.database()?;
    database.ready()?;
    let paid = cases::pay(api.code, database, api.dep, order).await?;
    Ok(Json(paid).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoscaleParams {
    #[serde(default = "default_cpu_ms")]
    cpu_ms: u64,
}

const fn default_cpu_ms() -> u64 {
    20
}

async fn autoscale(State(api): State<Api>, Params(params): Params<AutoscaleParams>) -> Response {
    if params.cpu_ms > MAX_CPU_MS {
        return refusal(
            StatusCode::BAD_REQUEST,
            format!("cpu_ms is at most {MAX_CPU_MS}, not {}", params.cpu_ms),
        );
    }
    api.cpu.burn(Duration::from_millis(params.cpu_ms)).await;
    Json(json!({ "cpu_ms": params.cpu_ms })).into_response()
}

async fn ready(State(api): State<Api>) -> Result<&'static str, Failure> {
    if let Some(database) = api.database {
        database.ready()?;
    }
    Ok("ready")
}

impl Api {
    fn database(&self) -> Result<Database, Failure> {
        self.database.clone().ok_or_else(|| {
            Failure::Unavailable(
                "this api runs without a database: start it with --database-url for payments"
                    .into(),
            )
        })
    }
}
