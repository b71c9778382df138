//! What becomes of a request, and what a run leaves on record.

use std::{net::SocketAddr, time::Duration};

use lab_record::Cause;
use serde::{Deserialize, Serialize};

use super::{Cells, Handshakes, Lateness};

/// One arrival of the schedule and what became of it. Times are offsets from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When it should have been sent; what latency counts from.
    pub intended: Duration,
    /// When its first bytes had been handed to the kernel.
    pub written: Option<Duration>,
    /// When the first bytes of the answer were read, or of what was said before it (1xx).
    pub first_byte: Option<Duration>,
    /// When it was answered whole, given up or dropped.
    pub done: Duration,
    /// Number of its key within the class; a repeat bears the number of what it repeats.
    pub key: u64,
    /// Index of its class in the plan.
    pub class: u16,
    /// How it ended.
    pub end: End,
    /// How often its client had asked before: 0 for an arrival of the schedule.
    pub attempt: u8,
}

/// What a client was told, where the plan wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Index of the class in the plan.
    pub class: u16,
    /// Number of the key within the class.
    pub key: u64,
    /// When the answer was whole, from the start.
    pub at: Duration,
    /// Its status.
    pub status: u16,
    /// The first kilobytes of its body.
    pub body: Vec<u8>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With a whole answer of this status.
    Answered(u16),
    /// No connection, or one that broke before the answer was whole; why.
    Broken(Cause),
    /// Given up after the class's timeout.
    TimedOut,
    /// Never sent: too many of its class were in flight.
    Dropped,
    /// Still in flight when the run was cut short.
    Unfinished,
}

impl Sample {
    /// From the intended send to the end: what users feel.
    pub fn latency(&self) -> Duration {
        self.done.saturating_sub(self.intended)
    }

    /// From the actual send to the end; none where nothing was sent.
    pub fn service_time(&self) -> Option<Duration> {
        Some(self.done.saturating_sub(self.written?))
    }

    /// How late it left; none where nothing was sent.
    pub fn lateness(&self) -> Option<Duration> {
        Some(self.written?.saturating_sub(self.intended))
    }
}

/// Everything that the load engine noted during a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// What became of the requests that were due. It isn't sent: who is told of them part by part adds the parts up, and
    /// has what there was where the sender is lost.
    #[serde(skip)]
    pub cells: Box<Cells>,
    /// The dispatcher's own counts by class, kept apart from the cells so that each can be
    /// checked against the other.
    pub ledger: Vec<Ledger>,
    /// False where the run was stopped or the wait at its end was cut off.
    pub complete: bool,
    /// From the start to the last end.
    pub wall: Duration,
    /// CPU time of the send loop's thread over that time; of several the one that took most.
    pub loop_cpu: Duration,
    /// The send loops that shared the load, one as a rule.
    pub loops: Vec<LoopRecord>,
    /// CPU time of the whole driver over that time, other processes excluded.
    pub process_cpu: Duration,
    /// What became of attempts to connect.
    pub connects: Connects,
    /// What went to each address, in their order.
    pub addresses: Vec<AddressUse>,
    /// Handshakes of TLS; none where the targets want none.
    pub handshakes: Option<Handshakes>,
    /// Worst lateness of a 1 ms sleep, by cells of [`HICCUP_CELL`] from the start.
    ///
    /// [`HICCUP_CELL`]: super::HICCUP_CELL
    pub hiccups: Vec<Duration>,
    /// How late, in this load, a sender leaves that has nothing else to do, were one send due each millisecond: 99th
    /// percentile. No load engine can be much better; none where nothing was seen.
    pub floor: Option<Duration>,
    /// SYN packets that this machine had to send again; none where the system doesn't tell.
    pub syn_retransmits: Option<u64>,
}

/// What one send loop did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoopRecord {
    /// Requests that it sent.
    pub sent: u64,
    /// Share of these that left later than the plan allows, 0 to 1.
    pub late_share: f64,
    /// How late they left: 99th percentile.
    pub lateness_p99: Duration,
    /// The latest of them.
    pub lateness_worst: Duration,
    /// CPU time of its thread.
    pub cpu: Duration,
}

impl LoopRecord {
    /// Of the sends of one loop.
    pub(super) fn of(lateness: &Lateness, cpu: Duration) -> Self {
        Self {
            sent: lateness.sent(),
            late_share: lateness.late_share(),
            lateness_p99: lateness.p99(),
            lateness_worst: lateness.worst(),
            cpu,
        }
    }
}

/// The dispatcher's counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Arrivals of the plan.
    pub planned: u64,
    /// Arrivals whose time came.
    pub offered: u64,
    /// Of these, never sent.
    pub dropped: u64,
    /// Of those offered, the ones beside the plan: clients that asked again.
    pub again: u64,
}

/// Attempts to open a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connects {
    /// Wanted before the clock started.
    pub wanted: u64,
    /// Of these, opened: the others were not taken.
    pub before: u64,
    /// Opened during the run, because all others were in use or gone.
    pub after_start: u64,
    /// Turned down by the other side.
    pub refused: u64,
    /// Not even attempted, because this machine was out of files or ports: the driver's own
    /// failure and not the service's.
    pub starved: u64,
    /// Idempotent requests that left on a connection which the other side was closing, and were sent again on a new
    /// one, once (RFC 9110, section 9.2.2).
    pub retried: u64,
}

/// What one address of the targets was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressUse {
    /// The address.
    pub address: SocketAddr,
    /// Requests that it was chosen for.
    pub requests: u64,
    /// Connections that it did not take during the run.
    pub refused: u64,
}
