//! The load of a run, from this machine or from pods of a cluster: the same shape either way.

use std::time::{Duration, Instant};

use anyhow::Result;
use lab_load::{Account, Cells, Plan, Recording, Sample, Targets, Told};
use lab_remote::Sent;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{limits, platform};

/// Load under way. Dropping it stops the load.
pub(super) enum Running {
    Driver(lab_load::Running),
    Pods(lab_remote::Running),
}

/// What becomes of its requests, while it is under way.
pub(super) enum Accounts {
    Driver {
        samples: mpsc::UnboundedReceiver<Sample>,
        /// Of those that were not asked for yet.
        cells: Box<Cells>,
    },
    Pods(mpsc::UnboundedReceiver<Account>),
}

/// Begins to send `plan`; see [`lab_load::start`].
pub(super) async fn start(
    load: platform::Load,
    plan: Plan,
    targets: watch::Receiver<Targets>,
    told: mpsc::UnboundedSender<Told>,
    stop: CancellationToken,
) -> Result<(Running, Accounts)> {
    let targets = match load {
        platform::Load::Driver => targets,
        platform::Load::DriverTo(targets) => targets,
        platform::Load::Pods { fleet, targets } => {
            let (live, accounts) = mpsc::unbounded_channel();
            let running = fleet.start(plan, targets, live, told, stop).await?;
            return Ok((Running::Pods(running), Accounts::Pods(accounts)));
        }
    };
    let (live, samples) = mpsc::unbounded_channel();
    let cells = Box::new(Cells::new(&plan));
    let running = lab_load::start(plan, targets, live, told, stop).await?;
    Ok((
        Running::Driver(running),
        Accounts::Driver { samples, cells },
    ))
}

/// What is to be said of how a load was sent: by more than one loop, over fewer connections than were wanted.
pub(super) fn told(recording: &Recording) -> Vec<String> {
    let connects = recording.connects;
    let mut told = Vec::new();
    if recording.loops.len() > 1 {
        told.push(format!(
            "sent by {} loops that share the schedule",
            recording.loops.len()
        ));
    }
    if connects.before < connects.wanted {
        told.push(format!(
            "of {} connections that were wanted before the load the service took {}",
            connects.wanted, connects.before
        ));
    }
    told
}

impl Accounts {
    /// What is new at `now`. Asked for on a tick: waiting for each request would cost the machine a wake-up a request.
    pub(super) fn take(&mut self, now: Duration) -> Vec<Account> {
        match self {
            Self::Driver { samples, cells } => {
                while let Ok(sample) = samples.try_recv() {
                    cells.add(&sample);
                }
                vec![Account {
                    engine: 0,
                    until: now,
                    part: cells.take(),
                }]
            }
            Self::Pods(accounts) => std::iter::from_fn(|| accounts.try_recv().ok()).collect(),
        }
    }
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

#[cfg(test)]
mod tests {
    use lab_load::{Connects, LoopRecord};

    use super::*;

    #[test]
    fn how_a_load_was_sent_is_told_where_it_is_not_the_rule() {
        let of = |loops, wanted, before| {
            told(&Recording {
                loops: vec![LoopRecord::default(); loops],
                connects: Connects {
                    wanted,
                    before,
                    ..Connects::default()
                },
                ..Recording::default()
            })
        };
        assert!(of(1, 48, 48).is_empty());
        let [loops, connections] = &of(2, 48, 6)[..] else {
            panic!("two sentences");
        };
        assert!(loops.contains("by 2 loops"), "{loops}");
        assert!(
            connections.contains("of 48 connections") && connections.ends_with("took 6"),
            "{connections}"
        );
    }
}
