//! `driver doctor`: what this machine has and lacks.

use std::path::Path;

use anyhow::Result;
use console::style;
use lab_say::say;

use super::{Ended, Place};
use crate::{guide, platform::local::preflight};

pub(super) fn doctor(root: &Path, place: &Place) -> Result<Ended> {
    place.check_local("sh scripts/cluster.sh preflight")?;
    let findings = preflight(root);
    for finding in &findings {
        let sign = if finding.ok {
            style("ok    ").green()
        } else {
            style("LACKS ").red()
        };
        say!("{sign} {:14} {}", finding.name, finding.text);
    }
    if findings.iter().all(|finding| finding.ok) {
        say!("This machine is ready.");
        say!("Next: {}", guide::next(&place.reports(root))?);
        Ok(Ended::Well)
    } else {
        Ok(Ended::Failed)
    }
}
