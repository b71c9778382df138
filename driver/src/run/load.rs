//! The load of a run, from this machine or from pods of a cluster: the same shape either way.

use std::time::Instant;

use anyhow::Result;
use lab_load::{Plan, Sample, Targets, Told};
use lab_remote::Sent;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{limits, platform};

/// Load under way. Dropping it stops the load.
pub(super) enum Running {
    Driver(lab_load::Running),
    Pods(lab_remote::Running),
}

/// Begins to send `plan`; see [`lab_load::start`].
pub(super) async fn start(
    load: platform::Load,
    plan: Plan,
    targets: watch::Receiver<Targets>,
    live: mpsc::UnboundedSender<Sample>,
    told: mpsc::UnboundedSender<Told>,
    stop: CancellationToken,
) -> Result<Running> {
    Ok(match load {
        platform::Load::Driver => {
            Running::Driver(lab_load::start(plan, targets, live, told, stop).await?)
        }
        platform::Load::DriverTo(targets) => {
            Running::Driver(lab_load::start(plan, targets, live, told, stop).await?)
        }
        platform::Load::Pods { fleet, targets } => {
            Running::Pods(fleet.start(plan, targets, live, told, stop).await?)
        }
    })
}

impl Running {
    /// The zero of every offset.
    pub(super) fn t0(&self) -> Instant {
        match self {
            Self::Driver(running) => running.t0(),
            Self::Pods(running) => running.t0(),
        }
    }

    /// Waits for the last request, or for what ended the load before it.
    pub(super) async fn finish(self) -> Sent {
        match self {
            Self::Driver(running) => match running.finish().await {
                Ok(recording) => Sent {
                    recording,
                    ..Sent::default()
                },
                Err(error) => Sent {
                    broken: Some(limits::explained(&error)),
                    ..Sent::default()
                },
            },
            Self::Pods(running) => running.finish().await,
        }
    }
}
