//! The table at the end.

use std::fmt::Write as _;

use crate::trial::Trial;

/// Tried, survived, lost, by group; then what was lost and what could not be tried.
pub(crate) fn markdown(trial: &Trial<'_>, seed: u64, long: bool) -> String {
    let length = if long { "long" } else { "short" };
    let mut text = format!(
        "# Chaos, {length}, seed {seed}\n\n| group | tried | survived | lost | seconds |\n|---|--:|--:|--:|--:|\n"
    );
    for group in &trial.groups {
        let survived = group.tried - group.lost.len();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {survived} | {} | {:.0} |",
            group.name,
            group.tried,
            group.lost.len(),
            group.took.as_secs_f64()
        );
    }
    let _ = writeln!(
        text,
        "| **all** | {} | {} | **{}** | |",
        trial.tried(),
        trial.tried() - trial.lost(),
        trial.lost()
    );
    for group in &trial.groups {
        for lost in &group.lost {
            let _ = write!(text, "\nLOST {}: {lost}\n", group.name);
        }
        for skipped in &group.skipped {
            let _ = write!(text, "\nnot tried, {}: {skipped}\n", group.name);
        }
    }
    text
}
