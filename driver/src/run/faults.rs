//! Switches the dependency's behaviour at the start of each phase.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab_load::{Endpoint, Targets};
use serde_json::json;

use crate::{
    platform::target,
    scenario::{Dep, Scenario},
};

/// A dependency on this machine takes the order within a millisecond; one that needs longer than
/// this is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The fault plan of the dependency.
pub(super) struct DepFaults {
    http: reqwest::Client,
    /// None for a service of somebody's, whose scenarios have no faults to set.
    endpoint: Option<Endpoint>,
}

impl DepFaults {
    /// Of the dependency among these services. Only a scenario for a target may do without.
    pub(super) fn new(targets: &Targets, scenario: &Scenario) -> Result<Self> {
        let endpoint = targets.dep.first().cloned();
        ensure!(
            endpoint.is_some() || target::check(scenario).is_ok(),
            "the stack has no dependency"
        );
        Ok(Self {
            http: crate::http::client(),
            endpoint,
        })
    }

    /// Tells it how to behave from now on.
    pub(super) async fn set(&self, dep: &Dep) -> Result<()> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(());
        };
        let plan = json!({
            "latency_ms": dep.latency.as_millis() as u64,
            "jitter_ms": dep.jitter.as_millis() as u64,
            "hang_every": dep.hang_every,
            "hang_ms": dep.hang.as_millis() as u64,
            "error_share": dep.error_share,
            "capacity": dep.capacity,
            "line": dep.line,
            "blip_every_ms": dep.blip_every.as_millis() as u64,
            "blip_ms": dep.blip.as_millis() as u64,
        });
        let order = self
            .http
            .put(format!("{endpoint}/fault"))
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
