//! What a room has shared: each code once, and what they say of each participant. No file, no clock, no server.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use lab_record::{Outcome, ShareCode, ShareName, Validity};
use serde::{Deserialize, Serialize};

/// Codes that a board takes: some thirty of each of 1,500 participants.
const MOST_CODES: usize = 50_000;

/// A code as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// As it was shared.
    pub(crate) code: String,
    /// When the room heard of it, or when its run began where it was pasted later.
    pub(crate) heard: Timestamp,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct State {
    entries: Vec<Entry>,
    known: HashSet<String>,
    people: BTreeMap<ShareName, Person>,
    version: u64,
    /// The version at which it was empty.
    began: u64,
}

/// Who shares codes under one name: a participant, a team, or all who have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    /// When something was last heard of them.
    pub(crate) heard: Timestamp,
    /// By scenario.
    pub(crate) cells: BTreeMap<String, Cell>,
    /// The version of the state that brought their last code.
    pub(crate) changed: u64,
}

/// What somebody's codes of one step come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) runs: usize,
    /// The best score, 0 to 100; of two runs with it the one without a doubt.
    pub(crate) best: u8,
    /// Whether the self-check of that run casts a doubt on it.
    pub(crate) doubted: bool,
    /// When the first run that passed began.
    pub(crate) passed: Option<Timestamp>,
    /// The first guess, in the unit of the question; of those without a name, who may be many, every one.
    guesses: Vec<(Timestamp, f64)>,
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It counts from now on.
    New,
    /// It counted before.
    Known,
    /// There are [`MOST_CODES`].
    Full,
}

impl State {
    /// Takes a code of which the room hears now.
    pub(crate) fn take(&mut self, code: &ShareCode, heard: Timestamp) -> Taken {
        let text = code.to_string();
        if self.known.contains(&text) {
            return Taken::Known;
        }
        if self.entries.len() >= MOST_CODES {
            return Taken::Full;
        }
        self.known.insert(text.clone());
        self.entries.push(Entry { code: text, heard });
        self.version += 1;
        let person = self.people.entry(code.name.clone()).or_default();
        person.changed = self.version;
        person.heard = person.heard.max(heard);
        let cell = person.cells.entry(code.scenario.clone()).or_default();
        cell.take(code);
        Taken::New
    }

    /// All codes, in the order in which they came.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Everybody, by name.
    pub(crate) fn people(&self) -> &BTreeMap<ShareName, Person> {
        &self.people
    }

    /// It grows with each code that is new.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The version at which it was empty: 0, or that of the last reset. Who saw an earlier one saw another board.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// Forgets all codes. The version goes on, so that nobody takes this state for an earlier one.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            version: self.version + 1,
            began: self.version + 1,
            ..Self::default()
        };
    }
}

impl Cell {
    fn take(&mut self, code: &ShareCode) {
        let doubted = code.validity == Validity::Suspect;
        if self.runs == 0 || (code.score, !doubted) > (self.best, !self.doubted) {
            (self.best, self.doubted) = (code.score, doubted);
        }
        self.runs += 1;
        if code.outcome == Outcome::Pass {
            let earlier = self.passed.is_none_or(|passed| code.at < passed);
            self.passed = if earlier { Some(code.at) } else { self.passed };
        }
        if let Some(guess) = code.guess {
            self.guesses.push((code.at, guess));
            if !code.name.as_str().is_empty() {
                self.guesses.sort_by_key(|(at, _)| *at);
                self.guesses.truncate(1);
            }
        }
    }

    /// The guesses that count.
    pub(crate) fn guesses(&self) -> impl Iterator<Item = f64> + '_ {
        self.guesses.iter().map(|(_, guess)| *guess)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A code as a laptop shares it: minute of its start, verdict, score, guess, name.
    pub(crate) fn code(
        minute: u8,
        outcome: Outcome,
        score: u8,
        guess: Option<f64>,
        name: &str,
    ) -> ShareCode {
        ShareCode {
            scenario: "timeouts".to_owned(),
            outcome,
            validity: Validity::Valid,
            score,
            headline: Some(4890.0),
            guess,
            platform: "local".to_owned(),
            at: format!("2026-11-29T10:{minute:02}:00Z").parse().unwrap(),
            edit: 7,
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn a_row_has_the_best_score_the_first_pass_and_the_number_of_runs() {
        let mut state = State::default();
        let codes = [
            code(5, Outcome::Fail, 52, None, "ada"),
            code(30, Outcome::Pass, 90, None, "ada"),
            // It comes late, and passed first.
            code(20, Outcome::Pass, 88, None, "ada"),
        ];
        for code in &codes {
            assert_eq!(state.take(code, code.at), Taken::New);
        }
        let before = state.version();
        assert_eq!(
            state.take(&codes[0], codes[0].at),
            Taken::Known,
            "twice is once"
        );
        assert_eq!(state.version(), before);
        let person = &state.people()[&codes[0].name];
        let cell = &person.cells["timeouts"];
        assert_eq!(
            (cell.runs, cell.best, cell.passed),
            (3, 90, Some(codes[2].at))
        );
        assert_eq!(person.heard, codes[1].at);
    }

    #[test]
    fn a_doubt_is_told_unless_a_run_without_one_is_as_good() {
        let mut state = State::default();
        let doubted = ShareCode {
            validity: Validity::Suspect,
            ..code(5, Outcome::Pass, 90, None, "ada")
        };
        state.take(&doubted, doubted.at);
        assert!(state.people()[&doubted.name].cells["timeouts"].doubted);
        let sure = code(6, Outcome::Pass, 90, None, "ada");
        state.take(&sure, sure.at);
        assert!(!state.people()[&doubted.name].cells["timeouts"].doubted);
    }

    #[test]
    fn of_who_has_a_name_the_first_guess_counts_and_of_those_without_every_one() {
        let mut state = State::default();
        for (minute, guess, name) in [
            (9, 20.0, "ada"),
            (3, 80.0, "ada"),
            (1, 5.0, ""),
            (2, 6.0, ""),
        ] {
            let code = code(minute, Outcome::Fail, 1, Some(guess), name);
            state.take(&code, code.at);
        }
        let of = |name: &str| -> Vec<f64> {
            let person = &state.people()[&name.parse().unwrap()];
            person.cells["timeouts"].guesses().collect()
        };
        assert_eq!((of("ada"), of("")), (vec![80.0], vec![5.0, 6.0]));
    }

    #[test]
    fn a_board_that_was_cleared_is_no_earlier_one() {
        let mut state = State::default();
        let one = code(1, Outcome::Fail, 1, None, "ada");
        state.take(&one, one.at);
        let before = state.version();
        state.clear();
        assert!(
            state.version() > before && state.people().is_empty() && state.entries().is_empty()
        );
        assert_eq!(state.take(&one, one.at), Taken::New);
    }
}
