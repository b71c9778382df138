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
use super::line::{Line, Place, Turn};
use super::receipts::Receipts;
use crate::deadline;
use crate::metrics::{self, Registry};
use crate::refusal::refusal;
use crate::request::{self, JsonBody, Params};

#[derive(Clone)]
struct Server {
    faults: Arc<RwLock<Arc<Faults>>>,
    receipts: Arc<Receipts>,
    line: Line,
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
    refused: Counter,
}

pub(super) fn routes() -> Router {
    let faults = Faults::new(FaultPlan::default()).expect("the default plan is in order");
    let counts = Counts::default();
    let mut registry = counts.registry();
    let line = Line::default();
    line.register(&mut registry);
    let server = Server {
        faults: Arc::new(RwLock::new(Arc::new(faults))),
        receipts: Arc::default(),
        line,
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
    let queue = faults
        .queue()
        .map(|queue| (queue, server.line.called(&params.key)));
    if faults.refuse() {
        return call.refused("all calls are refused now, as the fault plan says");
    }
    if let Some((queue, caller)) = queue {
        return match server.line.join(caller, queue.most) {
            Ok((_present, turn)) => in_turn(server, turn, params, call).await,
            Err(full) => call.refused(full),
        };
    }
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
        return call.failed();
    }
    call.outcome = OutcomeKind::ok;
    server.answer(&params.key)
}

/// A call that stands in line. What it wants is done once its turn comes, whether somebody waits for it or not; nobody
/// looks at a deadline there.
async fn in_turn(server: Server, turn: Turn, params: WorkParams, mut call: Call) -> Response {
    let work = async move {
        let place = turn.comes().await?;
        server.work_at(place, &params).await
    };
    if let Some(answer) = tokio::spawn(work).await.ok().flatten() {
        call.outcome = OutcomeKind::ok;
        answer
    } else {
        call.failed()
    }
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
            let queue = faults.queue();
            *server
                .faults
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
            // Who waits under one plan is worked on under the next.
            if let Some(queue) = queue {
                server.line.set_places(queue.places);
            }
            Json(plan).into_response()
        }
        Err(why) => refusal(StatusCode::BAD_REQUEST, why),
    }
}

impl Server {
    /// Does what a call wants, in a place; none where the plan has it fail. A call without a key only looks something up:
    /// it is in no book.
    async fn work_at(&self, place: Place, params: &WorkParams) -> Option<Response> {
        let fate = self.faults().next(Wish {
            takes: params.sleep_ms.map(Duration::from_millis),
            fail_share: params.fail,
        });
        place.work(fate.takes).await;
        if fate.fails {
            None
        } else if params.key.is_empty() {
            Some(Json(json!({})).into_response())
        } else {
            Some(self.answer(&params.key))
        }
    }

    /// The receipt of a key, which is in the book from now on.
    fn answer(&self, key: &str) -> Response {
        let receipt = self.receipts.give(key);
        let distinct = self.receipts.distinct();
        let gauge = &self.counts.distinct_keys;
        gauge.set(distinct.cast_signed() as i64);
        Json(json!({ "receipt": receipt, "key": key })).into_response()
    }

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
        registry.register(
            "dep_refused",
            "Calls to /work refused at once: the line was full, or the fault plan says so",
            self.refused.clone(),
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

    /// Fails, as the plan has it.
    fn failed(mut self) -> Response {
        self.outcome = OutcomeKind::error;
        refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this call fails, as the fault plan says",
        )
    }

    /// Turns the caller away at once.
    fn refused(mut self, why: impl std::fmt::Display) -> Response {
        self.outcome = OutcomeKind::error;
        self.counts.refused.inc();
        refusal(StatusCode::SERVICE_UNAVAILABLE, why)
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
