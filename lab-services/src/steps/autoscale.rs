//! Step 4: work for the CPU. What participants edit is manifests, so there is no case here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::step::{ApiMeans, Routes, Step};
use crate::metrics::Registry;
use crate::quota::CpuMetrics;
use crate::refusal::refusal;
use crate::request::Params;

pub(super) const STEP: Step = Step {
    routes: Routes::Api(routes),
    paths: &[BURNS],
    case: None,
    sizes: |_, sizes| sizes,
};

const BURNS: &str = "/cases/autoscale";

/// The most CPU time that one request may ask for.
const MAX_CPU_MS: u64 = 1000;

fn routes(means: &ApiMeans, registry: &mut Registry) -> Router {
    registry.register_collector(Box::new(CpuMetrics(Arc::clone(&means.cpu))));
    Router::new()
        .route(BURNS, get(autoscale))
        .with_state(means.clone())
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

async fn autoscale(
    State(means): State<ApiMeans>,
    Params(params): Params<AutoscaleParams>,
) -> Response {
    if params.cpu_ms > MAX_CPU_MS {
        return refusal(
            StatusCode::BAD_REQUEST,
            format!("cpu_ms is at most {MAX_CPU_MS}, not {}", params.cpu_ms),
        );
    }
    means.cpu.burn(Duration::from_millis(params.cpu_ms)).await;
    Json(json!({ "cpu_ms": params.cpu_ms })).into_response()
}
