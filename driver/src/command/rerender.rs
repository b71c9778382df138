//! `driver report`: makes the pages again from `data.json` alone.

use std::path::Path;

use anyhow::Result;
use lab_record::{Entry, Others};
use lab_say::{note, say};

use super::{Ended, Place};
use crate::guide;

pub(super) fn rerender(root: &Path, place: &Place) -> Result<Ended> {
    let reports = place.reports(root);
    let mut runs = Vec::new();
    let mut unreadable = 0;
    for entry in reports.entries() {
        match entry {
            Entry::Run(run) => runs.push(*run),
            Entry::Unreadable { error, .. } => {
                note!("left alone: {error}");
                unreadable += 1;
            }
        }
    }
    for run in &runs {
        let others = Others::among(&runs, run);
        lab_report::write_comparisons(&reports, run, &others)?;
        lab_report::write_run(&reports, run, &others)?;
    }
    let index = lab_report::write_index(&reports, &guide::home(root, &reports))?;
    say!(
        "{} reports made again, {unreadable} unreadable; {}",
        runs.len(),
        index.display()
    );
    Ok(Ended::Well)
}
