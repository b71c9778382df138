//! What a run leaves in its folder. It is measured by then, so nothing that goes wrong here hides what came of it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lab_record::{Others, Reports, Run};

use super::{Ran, journal::Journal};
use crate::guide;

/// Where it is, as far as it could be written.
#[derive(Debug, Default)]
pub struct Left {
    /// The run's page.
    pub report: Option<PathBuf>,
    /// What it was compared with.
    pub compared: lab_report::Compared,
    /// What went wrong first: a full disk, a stack that did not stop in order.
    complaint: Option<anyhow::Error>,
}

impl Left {
    /// Writes all there is of a run; where its data can't be kept, a page would be one without a run.
    pub(super) fn write(
        &mut self,
        root: &Path,
        reports: &Reports,
        run: &Run,
        journal: &mut Journal,
    ) {
        if self.note(lab_report::write_data(reports, run)).is_none() {
            return;
        }
        self.note(journal.finish(run));
        let runs = lab_report::runs(reports);
        let others = Others::among(&runs, run);
        let compared = lab_report::write_comparisons(reports, run, &others);
        self.compared = self.note(compared).unwrap_or_default();
        // After what it links to: who finds it finds all of it.
        self.report = self.note(lab_report::write_run(reports, run, &others));
        self.note(lab_report::write_index(
            reports,
            &guide::home(root, reports),
        ));
    }

    /// What came of something that is done after the measurement.
    pub(super) fn note<T>(&mut self, done: Result<T, impl Into<anyhow::Error>>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) => {
                self.complaint.get_or_insert(error.into());
                None
            }
        }
    }
}

impl Ran {
    /// Owns up to what went wrong after the measurement; to be asked once that has been shown.
    pub fn kept(mut self) -> Result<Self> {
        match self.left.complaint.take() {
            Some(complaint) => Err(complaint),
            None => Ok(self),
        }
    }
}
