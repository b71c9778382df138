//! Reads JSON bodies and query strings strictly, and answers 400 with a sentence where they don't fit.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::DeserializeOwned;

use crate::failure::refusal;

/// A request body in JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            refusal(
                StatusCode::BAD_REQUEST,
                format!("the body for {path} could not be read: {error}"),
            )
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            refusal(
                StatusCode::BAD_REQUEST,
                format!("the body for {path} is not what it takes: {error}"),
            )
        })
    }
}

/// The parameters of a query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|error| {
                let path = parts.uri.path();
                refusal(
                    StatusCode::BAD_REQUEST,
                    format!("the parameters for {path} are not what it takes: {error}"),
                )
            })
    }
}
