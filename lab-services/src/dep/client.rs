//! The client side of `dep`, as the cases use it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use crate::deadline::{self, Deadline};

/// Proof that `dep` did its work for a key. The same key gets the same receipt, however often it asks.
pub type Receipt = u64;

/// A client of `dep`. Cheap to clone; it waits for as long as it is let.
#[derive(Clone, Debug)]
pub struct Dep {
    http: reqwest::Client,
    work: Arc<Url>,
}

/// Why `dep` gave no receipt.
#[derive(Debug, thiserror::Error)]
pub enum DepError {
    /// `dep` saw that it could not answer in the time that it was given.
    #[error("dep had too little time left")]
    TooLate,
    /// `dep` answered with an error.
    #[error("dep answered {0}")]
    Status(StatusCode),
    /// `dep` is out of reach, or its answer made no sense.
    #[error("the call to dep failed: {0}")]
    Call(reqwest::Error),
}

impl From<reqwest::Error> for DepError {
    fn from(error: reqwest::Error) -> Self {
        Self::Call(error)
    }
}

#[derive(Deserialize)]
struct Work {
    receipt: Receipt,
}

impl Dep {
    /// A client of the `dep` at `base`, as in `http://127.0.0.1:8082`.
    pub fn new(base: &Url) -> Result<Self> {
        let work = base
            .join("work")
            .with_context(|| format!("{base} cannot be the base of an address"))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .context("cannot set up the client of dep")?;
        Ok(Self {
            http,
            work: Arc::new(work),
        })
    }

    /// Asks for the receipt of `key`.
    pub async fn receipt(&self, key: &str) -> Result<Receipt, DepError> {
        self.send(self.request(key)).await
    }

    /// Asks for the receipt of `key`, and tells `dep` how much time is left for it.
    pub async fn receipt_by(&self, key: &str, deadline: Deadline) -> Result<Receipt, DepError> {
        let left = deadline.remaining().as_millis().to_string();
        self.send(self.request(key).header(deadline::HEADER, left))
            .await
    }

    /// Asks for the receipt of `key`, for work of a length of its own.
    pub async fn receipt_of_work(&self, key: &str, takes: Duration) -> Result<Receipt, DepError> {
        let mut url = self.url(key);
        let takes = takes.as_millis().to_string();
        url.query_pairs_mut().append_pair("sleep_ms", &takes);
        self.send(self.http.get(url)).await
    }

    fn request(&self, key: &str) -> RequestBuilder {
        self.http.get(self.url(key))
    }

    fn url(&self, key: &str) -> Url {
        let mut url = Url::clone(&self.work);
        url.query_pairs_mut().append_pair("key", key);
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Receipt, DepError> {
        let answer = request.send().await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.json::<Work>().await?.receipt),
            StatusCode::GATEWAY_TIMEOUT => Err(DepError::TooLate),
            status => Err(DepError::Status(status)),
        }
    }
}
