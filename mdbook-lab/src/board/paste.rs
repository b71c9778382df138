//! What codes come to: those of a text such as a chat's whole log, found in it, and those that a laptop posts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lab_record::ShareCode;
use serde::Serialize;

use super::state::{State, Taken};

/// Of each kind of refusal, so many texts are shown.
const SHOWN: usize = 3;
/// Characters that are shown of a text.
const LONGEST: usize = 60;

/// What came of some codes.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// They count from now on.
    pub(crate) new: usize,
    /// They counted before.
    pub(crate) known: usize,
    /// Why others don't count, a line a reason.
    pub(crate) refused: Vec<Refused>,
}

/// Texts that look like codes and count for nothing.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) count: usize,
    /// The first of them, as they begin.
    pub(crate) texts: Vec<String>,
}

/// Codes that were read, and those that are none, before any of them counts: a long log is read while others are served.
pub(crate) struct Codes {
    read: Vec<ShareCode>,
    refused: BTreeMap<String, Refused>,
}

/// When the room hears of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// With the post of the laptop that ran it.
    Now,
    /// In a log that may be hours old: when its run began.
    Then,
}

impl Codes {
    /// Those in a text, of scenarios that are known here.
    pub(crate) fn find(text: &str, is_known: impl Fn(&str) -> bool) -> Self {
        let mut codes = Self {
            read: Vec::new(),
            refused: BTreeMap::new(),
        };
        for (text, found) in ShareCode::find(text) {
            match found {
                Ok(code) if is_known(&code.scenario) => codes.read.push(code),
                Ok(code) => {
                    let scenario: String = code.scenario.chars().take(LONGEST).collect();
                    codes.refuse(text, format!("no step here has the scenario `{scenario}`"));
                }
                Err(error) => codes.refuse(text, error.to_string()),
            }
        }
        codes
    }

    /// How many there are, whatever they are worth.
    pub(crate) fn count(&self) -> usize {
        let refused = self.refused.values().map(|refused| refused.count);
        self.read.len() + refused.sum::<usize>()
    }

    fn refuse(&mut self, text: &str, why: String) {
        let refused = self.refused.entry(why.clone()).or_default();
        refused.why = why;
        refused.count += 1;
        if refused.texts.len() < SHOWN {
            let mut shown: String = text.chars().take(LONGEST).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            refused.texts.push(shown);
        }
    }

    /// Has them count.
    pub(crate) fn count_in(mut self, state: &mut State, heard: Heard, now: Timestamp) -> Outcome {
        let (mut new, mut known) = (0, 0);
        for code in std::mem::take(&mut self.read) {
            // A clock that is ahead says nothing of when something was heard.
            let at = match heard {
                Heard::Now => now,
                Heard::Then => code.at.min(now),
            };
            match state.take(&code, at) {
                Taken::New => new += 1,
                Taken::Known => known += 1,
                Taken::Full => self.refuse(
                    &code.to_string(),
                    "the board is full: export it, then reset it".to_owned(),
                ),
            }
        }
        Outcome {
            new,
            known,
            refused: self.refused.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use lab_record::Outcome as Verdict;

    use super::{super::state::tests::code, *};

    fn paste(state: &mut State, text: &str) -> Outcome {
        let now = "2026-11-29T12:00:00Z".parse().unwrap();
        Codes::find(text, |scenario| scenario == "timeouts").count_in(state, Heard::Then, now)
    }

    #[test]
    fn a_chat_counts_and_what_is_refused_is_told_by_name() {
        let ada = code(1, Verdict::Fail, 52, Some(80.0), "ada").to_string();
        let evil = code(2, Verdict::Pass, 100, None, "<b>😀 عدا</b>").to_string();
        let elsewhere = ShareCode {
            scenario: "cake".to_owned(),
            ..code(1, Verdict::Pass, 9, None, "bob")
        };
        let altered = ada.replace("/52/", "/99/");
        let log = format!(
            "[10:01] Ada: {ada}\n> {ada}\n[10:02] Eve: `{evil}`\nBob: {elsewhere}. {altered}\n{}\n{}\n\u{1b}[31mLAB\0\u{202e}",
            &ada[..40],
            ada.replacen("LAB1", "LAB2", 1)
        );
        let mut state = State::default();
        let outcome = paste(&mut state, &log);
        assert_eq!((outcome.new, outcome.known), (2, 1));
        let told: Vec<_> = outcome
            .refused
            .iter()
            .map(|refused| (refused.why.as_str(), refused.count))
            .collect();
        assert_eq!(
            told,
            [
                ("no step here has the scenario `cake`", 1),
                ("this share code is cut off: its end is missing", 1),
                (
                    "this share code is of version 2; this workshop reads version 1",
                    1
                ),
                ("this share code was altered: its checksum does not fit", 1),
            ]
        );
        assert_eq!(outcome.refused[1].texts, [&ada[..40]]);
        let again = paste(&mut state, &log);
        assert_eq!((again.new, again.known), (0, 3));
    }

    #[test]
    fn a_name_of_ten_thousand_characters_is_no_name() {
        let long = code(1, Verdict::Fail, 52, None, "ada")
            .to_string()
            .replace("/ada/", &format!("/{}/", "x".repeat(10_000)));
        let outcome = paste(&mut State::default(), &long);
        assert_eq!((outcome.new, outcome.refused.len()), (0, 1));
        assert!(outcome.refused[0].texts[0].len() < 100);
    }
}
