//! Reads JSON bodies, query strings and paths strictly, and answers 400 with a sentence where they don't fit.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::refusal::refusal;

/// The most bytes in a key; an index of PostgreSQL takes some 2,700.
const LONGEST_KEY: usize = 200;

/// A request body in JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            refusal(
                error.status(),
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

/// The variable part of a path.
pub(crate) struct InPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(part)| Self(part))
            .map_err(|error| {
                let path = parts.uri.path();
                refusal(
                    StatusCode::BAD_REQUEST,
                    format!("{path} is no path of this service: {error}"),
                )
            })
    }
}

/// A key, as a part of a path.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Key(#[serde(deserialize_with = "key")] pub(crate) String);

/// A key: text that a database can hold and a log can show.
pub(crate) fn key<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let key = String::deserialize(from)?;
    if key.len() > LONGEST_KEY || key.contains(char::is_control) {
        return Err(D::Error::custom(format!(
            "a key has at most {LONGEST_KEY} bytes and no control characters"
        )));
    }
    Ok(key)
}

/// A share, between 0 and 1.
pub(crate) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(from)?;
    if !(0.0..=1.0).contains(&share) {
        return Err(D::Error::custom(format!(
            "a share is between 0 and 1, not {share}"
        )));
    }
    Ok(share)
}
