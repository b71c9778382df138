//! `driver report`: makes the pages again from `data.json` alone.

use std::path::Path;

use anyhow::Result;
use lab_record::Entry;
use lab_say::{note, say};

use super::{Ended, Place};

pub(super) fn rerender(root: &Path, place: &Place) -> Result<Ended> {
    let reports = place.reports(root);
    let (mut made, mut unreadable) = (0, 0);
    for entry in reports.entries() {
        match entry {
            Entry::Run(run) => {
                lab_report::write_run(&reports, &run)?;
                lab_report::write_baseline_comparison(&reports, &run)?;
                made += 1;
            }
            Entry::Unreadable { error, .. } => {
                note!("left alone: {error}");
                unreadable += 1;
            }
        }
    }
    let index = lab_report::write_index(&reports)?;
    say!(
        "{made} reports made again, {unreadable} unreadable; {}",
        index.display()
    );
    Ok(Ended::Well)
}
