//! What can go wrong in a case, as the caller sees it. `?` turns the errors of the libraries in use into one.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::dep::DepError;
use crate::refusal::refusal;

/// Why a case gives no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The deadline passed first.
    #[error("no answer before the deadline")]
    TooLate,
    /// The dependency answered with an error, or not at all.
    #[error(transparent)]
    Dep(DepError),
    /// No connection became free in time.
    #[error("no database connection became free in time: all of the pool are in use")]
    PoolExhausted,
    /// The database refused a statement, or is out of reach.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
    /// An order names an account that is not there.
    #[error("there is no account {0}: they are numbered 0 to 999")]
    NoSuchAccount(i64),
    /// The service lacks something that it needs, at the start or for good.
    #[error("{0}")]
    Unavailable(String),
    /// The code of the case panicked.
    #[error("{file} panicked: {message}. The log of this service has the line")]
    Panicked {
        /// The file of the case.
        file: &'static str,
        /// What the panic said.
        message: String,
    },
}

impl Failure {
    /// The HTTP status that tells the caller what to make of it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLate => StatusCode::GATEWAY_TIMEOUT,
            Self::Dep(_) => StatusCode::BAD_GATEWAY,
            Self::PoolExhausted | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoSuchAccount(_) => StatusCode::BAD_REQUEST,
            Self::Database(_) | Self::Panicked { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::TooLate
    }
}

impl From<DepError> for Failure {
    fn from(error: DepError) -> Self {
        match error {
            DepError::TooLate => Self::TooLate,
            error => Self::Dep(error),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::PoolExhausted,
            error => Self::Database(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "case failed");
        } else {
            tracing::debug!(error = %self, "case failed");
        }
        refusal(self.status(), self)
    }
}
