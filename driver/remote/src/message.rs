//! What driver and load pod say to each other, after their greetings.

use std::time::Duration;

use lab_load::{Ask, CellsPart, Found, Plan, Recording, Reply, Share, Targets, Told};
use serde::{Deserialize, Serialize};

/// To the pod. Moments are those of the clock that is named.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToPod {
    /// What time is it? Also a sign of life.
    Ping {
        /// By the driver's clock.
        sent: Duration,
    },
    /// Make ready to send a share of a plan.
    Prepare {
        plan: Plan,
        share: Share,
        targets: Targets,
    },
    /// Where requests may be sent from now on.
    Targets(Targets),
    /// Begin to send.
    Begin {
        /// The zero of every offset, by the pod's clock.
        at: Duration,
    },
    /// End the load early.
    Stop,
    /// Ask a service, and say what it answers.
    Ask { id: u64, ask: Ask },
    /// Nobody waits for that answer any more.
    Forget { id: u64 },
    /// Find the addresses of a name that take connections.
    Find { id: u64, host: String, port: u16 },
}

/// To the driver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ToDriver {
    /// Answer to a ping.
    Pong {
        /// From the ping.
        sent: Duration,
        /// By the pod's clock.
        seen: Duration,
    },
    /// The connections stand.
    Ready,
    /// The load can't be sent; why.
    Failed(String),
    /// What clients were told; before the same requests are counted.
    Told(Vec<Told>),
    /// What became of the requests that have ended since the last such message.
    Counted {
        /// Until when, from the start.
        until: Duration,
        part: CellsPart,
    },
    /// The load has ended; all of the recording but its cells, which have all been told.
    Rest(Recording),
    /// The answer of a service, or why there is none.
    Reply {
        id: u64,
        reply: Result<Reply, String>,
    },
    /// The addresses of a name, or why there is none.
    Found {
        id: u64,
        found: Result<Found, String>,
    },
}
