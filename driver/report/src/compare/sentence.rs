//! A comparison in one plain sentence.

use lab_record::Outcome;

use super::{Change, ClassPair, Comparison, Side};
use crate::words::number::{counted, quantile};

impl Comparison {
    /// Everything in one plain sentence.
    pub fn sentence(&self) -> String {
        let (a, b) = (&self.a, &self.b);
        let silent = |name: &str, side: &Side| {
            let word = side.outcome.word();
            (!side.outcome.judges()).then(|| format!("{name} is {word}"))
        };
        let silent: Vec<String> = [silent("A", a), silent("B", b)]
            .into_iter()
            .flatten()
            .collect();
        if !silent.is_empty() {
            let silent = silent.join(" and ");
            return format!("{silent}, so nothing can be said of the difference.");
        }
        let verdict = match (a.outcome, b.outcome) {
            (Outcome::Pass, Outcome::Pass) => {
                format!("Both A ({}) and B ({}) hold", a.code, b.code)
            }
            (Outcome::Pass, _) => format!("B ({}) does not hold where A ({}) did", b.code, a.code),
            (_, Outcome::Pass) => format!("B ({}) holds where A ({}) did not", b.code, a.code),
            _ => format!("Neither A ({}) nor B ({}) holds", a.code, b.code),
        };
        let score = |side: &Side| {
            side.score
                .map_or("none".to_owned(), |score| score.to_string())
        };
        format!(
            "{verdict}: score {} → {}, {}.",
            score(a),
            score(b),
            self.changes(),
        )
    }

    /// What changed of checks and latency. That a latency stayed is said where all stayed: beside checks that changed sides
    /// it would sound as if nobody felt those, and of one phase it may say little, as where hardly anybody had an answer.
    fn changes(&self) -> String {
        match (self.changed_checks(), self.largest_change()) {
            (Some(checks), Some(latency)) => format!("{checks}, and {latency}"),
            (Some(checks), None) => checks,
            (None, Some(latency)) => format!("no check changed sides, and {latency}"),
            (None, None) => {
                "no check changed sides, and the latency is not distinguishable".to_owned()
            }
        }
    }

    fn changed_checks(&self) -> Option<String> {
        let turned = |from: bool, to: bool| {
            self.checks
                .iter()
                .filter_map(|pair| Some((pair.a.as_ref()?.passed, pair.b.as_ref()?.passed)))
                .filter(|change| *change == (from, to))
                .count()
        };
        let fixed = turned(false, true);
        let broken = turned(true, false);
        let fixed_text = counted(fixed, "check newly passes", "checks newly pass");
        let broken_text = counted(broken, "check newly fails", "checks newly fail");
        match (fixed, broken) {
            (0, 0) => None,
            (_, 0) => Some(fixed_text),
            (0, _) => Some(broken_text),
            _ => Some(format!("{fixed_text}, {broken_text}")),
        }
    }

    /// The class whose latency changed most, in words; none where none is distinguishable.
    fn largest_change(&self) -> Option<String> {
        let times = |pair: &&ClassPair| match pair.change {
            Change::Lower(ratio) | Change::Higher(ratio) => Some(ratio.times),
            Change::NotDistinguishable | Change::Unmeasured => None,
        };
        let pair = self
            .classes
            .iter()
            .filter(|pair| times(pair).is_some())
            .max_by(|x, y| {
                times(x)
                    .partial_cmp(&times(y))
                    .unwrap_or(std::cmp::Ordering::Equal)
            })?;
        let direction = match pair.change {
            Change::Higher(_) => "rose",
            _ => "fell",
        };
        let phase = match pair.phase.as_str() {
            "all" => String::new(),
            phase => format!(" in phase {phase}"),
        };
        let (before, after) = (quantile(pair.latency.a), quantile(pair.latency.b));
        Some(format!(
            "{} of {}{phase} {direction} from {before} to {after}",
            pair.latency.name, pair.name
        ))
    }
}
