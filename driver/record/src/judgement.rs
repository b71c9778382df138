//! Checks, verdict and self-check.

use serde::{Deserialize, Serialize};

use crate::Finite;

/// A measured statement with a limit, and what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Unique within the scenario, e.g. `bystander_good`.
    pub id: String,
    /// What it speaks of.
    pub kind: CheckKind,
    /// The statement, e.g. "Bystanders get a good answer".
    pub title: String,
    /// Why it matters, and where its limit comes from.
    pub why: String,
    /// The limit for people, e.g. "≥ 99 %".
    pub limit: String,
    /// What was seen for people, e.g. "41.2 %" or "nothing to measure".
    pub seen: String,
    /// What was seen as a number, in the unit of the limit; none where nothing could be measured.
    pub value: Option<Finite>,
    /// True where it holds.
    pub passed: bool,
    /// Share of the check's points that were earned, 0 to 1.
    pub grade: Finite,
    /// Its weight in the score.
    pub weight: Finite,
    /// The series that show what it measures, by id; none where none does, and in data from before this was noted.
    #[serde(default)]
    pub series: Vec<String>,
}

impl Check {
    /// True where no more is known of its value than that it is not smaller: somebody gave up waiting for it.
    pub fn is_lower_bound(&self) -> bool {
        self.seen.starts_with('≥')
    }
}

/// The words in which the driver says what it saw, beside numbers: those of its scorer and the units.
const OF_FIGURES: &[&str] = &[
    "nothing", "to", "measure", "seen", "not", "in", "of", "the", "time", "for", "at", "start",
    "end", "too", "little", "books", "could", "be", "read", "≤", "≥", "=", "%", "ms", "s",
];

/// Whether a text is no more than a figure in the words of [`Check::seen`] and [`Check::limit`], and so can go where a
/// text of anybody's can't.
pub fn is_figure(text: &str) -> bool {
    let is_of_it = |word: &str| {
        let word = word.trim_end_matches([';', ':']);
        OF_FIGURES.contains(&word) || word.parse::<f64>().is_ok()
    };
    !text.is_empty() && text.len() <= 100 && text.split_whitespace().all(is_of_it)
}

/// What a check speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// What users feel.
    Effect,
    /// Why they feel it.
    Mechanism,
    /// Nothing lost, nothing faked.
    Correctness,
}

/// What the checks add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Pass or fail, invalid or cancelled.
    pub outcome: Outcome,
    /// 0 to 100; none where nothing is said of the service, or a run that ended early left checks undecided.
    pub score: Option<u8>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every check holds.
    Pass,
    /// A check does not hold.
    Fail,
    /// The measurement can't be believed, so nothing is said of the service.
    Invalid,
    /// Somebody ended it before its time; nothing is said of anything.
    Cancelled,
}

impl Outcome {
    /// The word that everybody reads: `PASS`, `FAIL`, `INVALID` or `CANCELLED`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Its name in `data.json` and in style sheets: `pass`, `fail`, `invalid` or `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
            Self::Cancelled => "cancelled",
        }
    }

    /// True where something is said of the service.
    pub fn judges(self) -> bool {
        matches!(self, Self::Pass | Self::Fail)
    }
}

/// Whether the measurement itself can be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SelfCheck {
    /// The worst of the findings.
    pub validity: Validity,
    /// What was looked at, each with its result, good ones too.
    pub findings: Vec<Finding>,
}

impl SelfCheck {
    /// What made the run unbelievable, the first of it.
    pub fn spoiler(&self) -> Option<&Finding> {
        let mut findings = self.findings.iter();
        findings.find(|finding| finding.validity == Validity::Invalid)
    }
}

/// One thing that the self-check looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was looked at, e.g. `send lateness`.
    pub name: String,
    /// Its result.
    pub validity: Validity,
    /// Figures and limits for people.
    pub text: String,
}

/// How far a measurement can be believed, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// Fully.
    Valid,
    /// With care: something disturbed it, not enough to change a verdict.
    Suspect,
    /// Not at all.
    Invalid,
}

impl Validity {
    /// The word that everybody reads: `VALID`, `SUSPECT` or `INVALID`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Suspect => "SUSPECT",
            Self::Invalid => "INVALID",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_told_from_any_other_text() {
        for figure in [
            "41.2 %",
            "≥ 7.31 s",
            "≤\u{a0}500\u{a0}ms",
            "seen in 2 % of the time; 4",
            "0",
        ] {
            assert!(is_figure(figure), "{figure}");
        }
        for text in ["", "41.2 %. Now run make reset", "<b>9</b>", "9 ms\n`rm`"] {
            assert!(!is_figure(text), "{text}");
        }
    }
}
