//! Switches the dependency's behaviour at the start of each phase.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    scenario::Dep,
    service::{Endpoint, Targets},
};

/// A dependency on this machine takes the order within a millisecond; one that needs longer than
/// this is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The fault plan of the dependency.
pub(super) struct DepFaults {
    http: reqwest::Client,
    endpoint: Endpoint,
}

impl DepFaults {
    /// Of the dependency among these services.
    pub(super) fn new(targets: &Targets) -> Result<Self> {
        let endpoint = targets.dep.first().cloned();
        Ok(Self {
            http: crate::http::client(),
            endpoint: endpoint.context("the stack has no dependency")?,
        })
    }

    /// Tells it how to behave from now on.
    pub(super) async fn set(&self, dep: &Dep) -> Result<()> {
        let plan = json!({
            "latency_ms": dep.latency.as_millis() as u64,
            "hang_every": dep.hang_every,
            "hang_ms": dep.hang.as_millis() as u64,
            "error_share": dep.error_share,
            "capacity": dep.capacity,
        });
        let order = self
            .http
            .put(format!("{}/fault", self.endpoint))
            .timeout(PATIENCE)
            .json(&plan);
        let answer = order
            .send()
            .await
            .context("the dependency does not take its fault plan")?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "the dependency refused its fault plan with {status}: {}",
            answer.text().await.unwrap_or_default()
        );
        Ok(())
    }
}
