//! How many of its points a check earns.

use lab_record::Finite;

use crate::scenario::{Check, Limit};

use super::PASSING;

/// The grade of a check, 0 to 1.
///
/// Passed: 1 at the check's `full` value and beyond it, down to 0.8 at the limit; 1 where the check
/// has no such value. Failed: below 0.8, in proportion to how near the limit was.
pub(super) fn grade(check: &Check, value: f64, passed: bool) -> Finite {
    Finite::new(share(check, value, passed)).unwrap_or_default()
}

fn share(check: &Check, value: f64, passed: bool) -> f64 {
    let passing = PASSING / 100.0;
    let limit = check.limit.quantity().value;
    if passed {
        let Some(full) = check.full else { return 1.0 };
        let way = ((value - limit) / (full.value - limit)).clamp(0.0, 1.0);
        return passing + (1.0 - passing) * way;
    }
    let near = match check.limit {
        Limit::AtLeast(_) if limit > 0.0 => value / limit,
        Limit::AtMost(_) if value > 0.0 => limit / value,
        _ => 0.0,
    };
    // Not quite the grade of a check that holds at its limit.
    0.99 * passing * near.clamp(0.0, 1.0)
}
