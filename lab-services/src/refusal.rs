//! An answer that is a refusal: a status, and in JSON why.

use std::fmt::Display;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer that says in a sentence why there is nothing better.
pub(crate) fn refusal(status: StatusCode, why: impl Display) -> Response {
    (status, Json(json!({ "error": why.to_string() }))).into_response()
}
