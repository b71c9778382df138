//! The registry of a service, and the page that shows it.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
pub(crate) use prometheus_client::registry::Registry;

use crate::standstill::Standstills;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`: what `registry` holds, and what every process tells of itself.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(mut registry: Registry) -> Router<S> {
    registry.register_collector(Box::new(Standstills::watch()));
    let registry = Arc::new(registry);
    Router::new().route("/metrics", get(async move || page(&registry)))
}

fn page(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
