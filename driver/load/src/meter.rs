//! Readings of the machine over a run, for the self-check.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Recording, hiccup::HiccupProbe, machine};

/// Readings at the start. All loops of an engine share them: one probe is enough for one machine.
#[derive(Debug)]
pub(super) struct Meter {
    t0: Instant,
    process_cpu: Duration,
    syn_retransmits: Option<u64>,
    hiccups: HiccupProbe,
}

impl Meter {
    pub(super) fn start(t0: Instant) -> io::Result<Self> {
        Ok(Self {
            t0,
            process_cpu: machine::process_cpu(),
            syn_retransmits: machine::syn_retransmits(),
            hiccups: HiccupProbe::start(t0)?,
        })
    }

    /// What changed since then; everything else of the recording is left empty.
    pub(super) fn read(self) -> Recording {
        let readings = Recording {
            wall: self.t0.elapsed(),
            process_cpu: machine::process_cpu().saturating_sub(self.process_cpu),
            syn_retransmits: machine::syn_retransmits()
                .zip(self.syn_retransmits)
                .map(|(now, before)| now.saturating_sub(before)),
            ..Recording::default()
        };
        let hiccups = self.hiccups.finish();
        Recording {
            floor: hiccups.floor(),
            hiccups: hiccups.worst,
            ..readings
        }
    }
}
