//! What came of a plan, for the tests that run one.

use std::ops::Deref;

use lab_load::{End, Recording, Running, Sample};
use tokio::sync::mpsc;

/// What is on record, and every request.
pub(crate) struct Ran {
    recording: Recording,
    pub(crate) samples: Vec<Sample>,
}

impl Deref for Ran {
    type Target = Recording;

    fn deref(&self) -> &Recording {
        &self.recording
    }
}

impl Ran {
    /// Waits for the end; the samples are those that were not yet taken.
    pub(crate) async fn of(running: Running, seen: &mut mpsc::UnboundedReceiver<Sample>) -> Self {
        let recording = running.finish().await.unwrap();
        let samples = std::iter::from_fn(|| seen.try_recv().ok()).collect();
        Self { recording, samples }
    }

    /// How many requests ended so.
    pub(crate) fn ended(&self, end: End) -> usize {
        let samples = self.samples.iter();
        samples.filter(|sample| sample.end == end).count()
    }
}
