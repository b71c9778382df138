//! What is said of several runs: how one group scatters, how two differ.

use anyhow::Result;
use lab_record::{Reports, Run};
use lab_say::say;

use lab_report::compare::groups;

/// Runs of two kinds; `a` is empty where there is one kind.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) a: Vec<Run>,
    pub(super) b: Vec<Run>,
}

/// Prints it, and writes the page where there are two groups. A run that says nothing, or was not measured whole, is left out.
pub(super) fn show(reports: &Reports, of: &Groups) -> Result<()> {
    let valid = |runs: &[Run]| -> Vec<Run> {
        let valid = runs.iter().filter(|run| run.is_comparable());
        valid.cloned().collect()
    };
    let (a, b) = (valid(&of.a), valid(&of.b));
    for (name, all, valid) in [("A", &of.a, &a), ("B", &of.b, &b)] {
        if !all.is_empty() {
            say!("{name}: {}", lab_report::group_line(all, valid));
        }
    }
    for class in groups::compare(&a, &b) {
        say!("  {}", class.sentence());
    }
    if let Some(page) = lab_report::write_groups(reports, &a, &b)? {
        say!("  compare  {}", page.display());
    }
    Ok(())
}
