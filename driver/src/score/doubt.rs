//! Whether a FAIL stands without the pauses of the machine: each check that failed is judged again on what lies outside
//! of them. A pause is nobody's mistake, so where it alone may have brought all of them about nothing is said of the
//! service. Nor is anything said by a check that fails only because nobody looked: a busy machine hides as much as code
//! that blocks its threads.

use std::{fmt, time::Duration};

use lab_record::{CheckKind, Pause};

use super::{Measured, hidden, judge, measure::value};
use crate::{
    pauses::{self, Stretch},
    scenario::{Check, Measure},
};

/// What a verdict owes to pauses and to blindness.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doubts {
    /// The checks that fail and would hold, or could not be judged, without the pauses.
    pub turned: Vec<Turned>,
    /// The checks that fail and would hold by what was seen, which is not enough.
    pub unseen: Vec<Unseen>,
    /// The checks that fail all the same, by title.
    pub stand: Vec<String>,
    /// Whether one of these is of a mechanism or of correctness. A machine that is busy all along makes answers late;
    /// it opens no transaction and loses no payment.
    pub firm: bool,
}

/// A check that fails only for want of looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Unseen {
    /// The statement.
    pub title: String,
    /// How little was seen, e.g. `seen in 72 % of the time`.
    pub words: String,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, words } = self;
        write!(f, "“{title}” was {words}")
    }
}

/// A check that fails, maybe by a pause alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Turned {
    /// The statement.
    pub title: String,
    /// What was seen outside of the pauses; none where nothing is left to judge it by.
    pub outside: Option<String>,
    /// What it must be.
    pub limit: String,
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            title,
            outside,
            limit,
        } = self;
        match outside {
            Some(seen) => write!(f, "“{title}” holds with {seen} (limit {limit})"),
            None => write!(f, "“{title}” can't be judged"),
        }
    }
}

/// What the checks that fail would be without `pauses`, in the order of `judged`.
pub fn doubts(measured: &Measured, judged: &[lab_record::Check], pauses: &[Pause]) -> Doubts {
    let disturbed = pauses::disturbed(pauses);
    let outside = Measured {
        disturbed: &disturbed,
        ..*measured
    };
    let mut doubts = Doubts::default();
    let checks = measured.scenario.checks.iter().zip(judged);
    for (check, judged) in checks.filter(|(_, judged)| !judged.passed) {
        let title = check.title.clone();
        if let Some(turned) = turned(check, judged, &outside) {
            doubts.turned.push(turned);
        } else if let Some(words) =
            hidden(check, value(check.measure.get_ref(), measured), measured)
        {
            doubts.unseen.push(Unseen { title, words });
        } else {
            doubts.firm |= check.kind != CheckKind::Effect;
            doubts.stand.push(title);
        }
    }
    doubts
}

/// None where it stands.
fn turned(check: &Check, judged: &lab_record::Check, outside: &Measured) -> Option<Turned> {
    // What is lost or faked does not come of waiting.
    if outside.disturbed.is_empty() || check.kind == CheckKind::Correctness {
        return None;
    }
    let again = judge(check, outside);
    // What is not there outside either was not hidden by a pause.
    let turned = |outside| Turned {
        title: check.title.clone(),
        outside,
        limit: judged.limit.clone(),
    };
    if again.passed {
        Some(turned(Some(again.seen)))
    } else if judged.value.is_some()
        && (again.value.is_none() || ends_with_the_load(check, outside))
    {
        Some(turned(None))
    } else {
        None
    }
}

/// Whether a check is of what clients have in the end, where a pause reaches into their last chance: they ask again until
/// the load ends, and what the pause held up in its last phase comes too late.
fn ends_with_the_load(check: &Check, outside: &Measured) -> bool {
    let in_the_end = matches!(
        check.measure.get_ref(),
        Measure::Ledger(_) | Measure::SettledShare(_)
    );
    let last = outside.scenario.spans().last();
    let from = last.map_or(Duration::ZERO, |(_, from, _)| from);
    let reaches = |stretch: &Stretch| stretch.to > from;
    in_the_end && outside.disturbed.iter().any(reaches)
}
