//! The server side of `dep`: `/work`, `/fault`, its books and its metrics.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use serde::Deserialize;
use serde_json::json;

use super::faults::{FaultPlan, Faults, Wish};
use super::receipts::Receipts;
use crate::deadline;
use crate::metrics::{self, Registry};
use crate::refusal::refusal;
use crate::request::{self, JsonBody, Params};

#[derive(Clone)]
struct Server {
    faults: Arc<RwLock<Arc<Faults>>>,
    receipts: Arc<Receipts>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(
    non_camel_case_types,
    reason = "the encoder writes the names as they stand"
)]
enum OutcomeKind {
    ok,
    error,
    cancelled,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: OutcomeKind,
}

#[derive(Clone, Default)]
struct Counts {
    requests: Counter,
    responses: Family<Outcome, Counter>,
    in_flight: Gauge,
    distinct_keys: Gauge,
}

pub(super) fn routes() -> Router {
    let faults = Faults::new(FaultPlan::default()).expect("the default plan is in order");
    let counts = Counts::default();
    let registry = counts.registry();
    let server = Server {
        faults: Arc::new(RwLock::new(Arc::new(faults))),
        receipts: Arc::default(),
        counts,
    };
    Router::new()
        .route("/work", get(work))
        .route("/fault", get(show_faults).put(set_faults))
        .route("/books", get(show_books))
        .route("/healthz", get("ok"))
        .route("/readyz", get("ready"))
        .merge(metrics::routes(registry))
        .with_state(server)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkParams {
    sleep_ms: Option<u64>,
    #[serde(default, deserialize_with = "request::share")]
    fail: f64,
    #[serde(default, deserialize_with = "request::key")]
    key: String,
}

async fn work(
    State(server): State<Server>,
    headers: HeaderMap,
    Params(params): Params<WorkParams>,
) -> Response {
    let mut call = Call::start(server.counts.clone());
    let faults = server.faults();
    let place = match faults.places() {
        Some(places) => Some(places.acquire_owned().await),
        None => None,
    };
    let fate = faults.next(Wish {
        takes: params.sleep_ms.map(Duration::from_millis),
        fail_share: params.fail,
    });
    // Work that can't be done in the time left isn't finished. A call that hangs looks at no clock.
    let left = deadline::time_left(&headers).filter(|left| !fate.hangs && *left < fate.takes);
    tokio::time::sleep(left.unwrap_or(fate.takes)).await;
    drop(place);
    if left.is_some() {
        return refusal(StatusCode::GATEWAY_TIMEOUT, "the caller's deadline passed");
    }
    if fate.fails {
        call.outcome = OutcomeKind::error;
        return refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this call fails, as the fault plan says",
        );
    }
    call.outcome = OutcomeKind::ok;
    let receipt = server.receipts.give(&params.key);
    let distinct = server.receipts.distinct();
    server
        .counts
        .distinct_keys
        .set(distinct.cast_signed() as i64);
    Json(json!({ "receipt": receipt, "key": params.key })).into_response()
}

async fn show_books(State(server): State<Server>) -> Response {
    Json(server.receipts.page()).into_response()
}

async fn show_faults(State(server): State<Server>) -> Json<FaultPlan> {
    Json(server.faults().plan().clone())
}

async fn set_faults(State(server): State<Server>, JsonBody(plan): JsonBody<FaultPlan>) -> Response {
    match Faults::new(plan) {
        Ok(faults) => {
            let plan = faults.plan().clone();
            tracing::info!(?plan, "fault plan set");
            *server
                .faults
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
            Json(plan).into_response()
        }
        Err(why) => refusal(StatusCode::BAD_REQUEST, why),
    }
}

impl Server {
    fn faults(&self) -> Arc<Faults> {
        self.faults
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Counts {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register("dep_requests", "Calls to /work", self.requests.clone());
        registry.register(
            "dep_responses",
            "Calls to /work that ended, by how",
            self.responses.clone(),
        );
        registry.register(
            "dep_requests_in_flight",
            "Calls to /work waiting or at work",
            self.in_flight.clone(),
        );
        registry.register(
            "dep_distinct_keys",
            "Distinct keys answered with a receipt",
            self.distinct_keys.clone(),
        );
        for outcome in [OutcomeKind::ok, OutcomeKind::error, OutcomeKind::cancelled] {
            drop(self.responses.get_or_create(&Outcome { outcome }));
        }
        registry
    }
}

/// A call under way. Dropped before it has an outcome, it was cancelled: the caller went away, or had no time left.
struct Call {
    counts: Counts,
    outcome: OutcomeKind,
}

impl Call {
    fn start(counts: Counts) -> Self {
        counts.requests.inc();
        counts.in_flight.inc();
        Self {
            counts,
            outcome: OutcomeKind::cancelled,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.counts.in_flight.dec();
        self.counts
            .responses
            .get_or_create(&Outcome {
                outcome: self.outcome,
            })
            .inc();
    }
}
