//! The body of a request: how large, and how long it may take to come.

use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// The body as JSON, of at most so many bytes, here within this time; else the answer that says so.
pub(crate) async fn json<T: DeserializeOwned>(
    request: Request,
    largest: usize,
    within: Duration,
) -> Result<T, Response> {
    let bytes = match timeout(within, to_bytes(request.into_body(), largest)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
        Err(_) => return Err(StatusCode::REQUEST_TIMEOUT.into_response()),
    };
    serde_json::from_slice(&bytes)
        .map_err(|_| (StatusCode::BAD_REQUEST, "not the JSON of a request\n").into_response())
}
