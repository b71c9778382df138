//! How far the steps are, and the one next thing to do. Whoever says it, the terminal, a report or the guide, says what
//! stands here.

use std::fmt;

use crate::{Brief, Outcome, Part, Reports};

/// The code whose runs count: the participant's.
const MINE: &str = "mine";

impl Brief {
    /// Whether it is a run of the participant's code that was not given up by them: of that there is nothing to tell.
    pub fn is_told(&self) -> bool {
        self.code == MINE && self.outcome != Outcome::Cancelled
    }
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A run passed once; what came later takes nothing away.
    Done {
        /// Whether the newest run does not.
        latest_fails: bool,
    },
    /// There are runs, and none passed.
    Open {
        /// The best score.
        best: Option<u8>,
        /// Whether the newest run can't be believed.
        latest_is_invalid: bool,
    },
    /// There is no run.
    New,
}

impl State {
    /// That of a scenario, by its runs.
    pub fn of(reports: &Reports, scenario: &str) -> Self {
        let mut latest = None;
        let mut best = None;
        for brief in reports.briefs(scenario).filter(Brief::is_told) {
            let latest = *latest.get_or_insert(brief.outcome);
            best = best.max(brief.score);
            if brief.outcome == Outcome::Pass {
                let latest_fails = latest == Outcome::Fail;
                return Self::Done { latest_fails };
            }
        }
        latest.map_or(Self::New, |latest| Self::Open {
            best,
            latest_is_invalid: latest == Outcome::Invalid,
        })
    }

    /// Its name in style sheets: `pass`, `fail` or `new`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done { .. } => "pass",
            Self::Open { .. } => "fail",
            Self::New => "new",
        }
    }
}

/// In words: `done`, `not yet; best score 41 of 100`.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done {
                latest_fails: false,
            } => f.write_str("done"),
            Self::Done { latest_fails: true } => f.write_str("done; the latest run fails"),
            Self::Open {
                best: Some(best), ..
            } => write!(f, "not yet; best score {best} of 100"),
            Self::Open { best: None, .. } => f.write_str("not yet"),
            Self::New => f.write_str("not run yet"),
        }
    }
}

/// The one next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Something about the first step that is not done, of the hour or, where that is over, of those after the event.
    Step {
        /// Its number, from 1.
        number: usize,
        /// Its title.
        title: String,
        /// How far it is.
        state: State,
    },
    /// There is none: all steps are done, or all of the hour.
    Done {
        /// The first of those after the event, number and title, where nobody has begun with them.
        later: Option<(usize, String)>,
    },
}

impl Next {
    /// That of the steps, each with its title, when it is done and how far it is, in their order.
    pub fn of<'a>(steps: impl IntoIterator<Item = (&'a str, Part, State)>) -> Self {
        let steps: Vec<_> = (1..).zip(steps).collect();
        let open = |of: Part| {
            let mut steps = steps.iter();
            steps.find(|(_, (_, part, state))| *part == of && !matches!(state, State::Done { .. }))
        };
        let goes_on = steps
            .iter()
            .any(|(_, (_, part, state))| *part == Part::Afterwards && *state != State::New);
        match (open(Part::Hour), open(Part::Afterwards)) {
            (None, later) if !goes_on => Self::Done {
                later: later.map(|(number, (title, ..))| (*number, (*title).to_owned())),
            },
            (Some((number, (title, _, state))), _) | (None, Some((number, (title, _, state)))) => {
                Self::Step {
                    number: *number,
                    title: (*title).to_owned(),
                    state: *state,
                }
            }
            (None, None) => Self::Done { later: None },
        }
    }

    /// What it is about: `Step 3, Bulkheads`. None where all is done.
    pub fn about(&self) -> Option<String> {
        match self {
            Self::Step { number, title, .. } => Some(format!("Step {number}, {title}")),
            Self::Done { .. } => None,
        }
    }

    /// What to do, after what it is about; commands stand in backticks.
    pub fn what(&self) -> String {
        let (number, state) = match self {
            Self::Step { number, state, .. } => (number, state),
            Self::Done { later: None } => {
                return "All steps are done: on to the wrap-up.".to_owned();
            }
            Self::Done {
                later: Some((number, title)),
            } => {
                return format!(
                    "All steps of the hour are done: on to the wrap-up. After the event, step {number}, {title}: `make \
                     step{number}`."
                );
            }
        };
        match state {
            State::Open {
                latest_is_invalid: true,
                ..
            } => {
                format!("`make step{number}` again, since the last run can't be believed.")
            }
            State::Open { .. } => format!("mend the marked place, then `make step{number}` again."),
            State::New | State::Done { .. } => {
                format!("`make step{number}` as it is, to see it fail.")
            }
        }
    }
}

/// All of it, as the terminal says it: `Step 1, Timeouts: make step1 as it is, to see it fail.`
impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(about) = self.about() {
            write!(f, "{about}: ")?;
        }
        f.write_str(&self.what().replace('`', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: State = State::Open {
        best: Some(41),
        latest_is_invalid: false,
    };

    #[test]
    fn the_first_step_that_is_not_done_is_next() {
        let done = State::Done { latest_fails: true };
        let said = |states: [State; 2]| {
            let [one, two] = states;
            Next::of([("One", Part::Hour, one), ("Two", Part::Hour, two)]).to_string()
        };
        assert_eq!(
            said([State::New, State::New]),
            "Step 1, One: make step1 as it is, to see it fail."
        );
        assert_eq!(
            said([FAILED, State::New]),
            "Step 1, One: mend the marked place, then make step1 again."
        );
        let invalid = State::Open {
            best: None,
            latest_is_invalid: true,
        };
        assert_eq!(
            said([done, invalid]),
            "Step 2, Two: make step2 again, since the last run can't be believed."
        );
        assert_eq!(said([done, done]), "All steps are done: on to the wrap-up.");
    }

    #[test]
    fn what_comes_after_the_event_is_next_once_somebody_has_begun_with_it() {
        let done = State::Done {
            latest_fails: false,
        };
        let said = |states: [State; 3]| {
            let [hour, one, two] = states;
            let steps = [
                ("A", Part::Hour, hour),
                ("B", Part::Afterwards, one),
                ("C", Part::Afterwards, two),
            ];
            Next::of(steps).to_string()
        };
        assert!(said([FAILED, done, State::New]).starts_with("Step 1, A: "));
        assert_eq!(
            said([done, State::New, State::New]),
            "All steps of the hour are done: on to the wrap-up. After the event, step 2, B: make step2."
        );
        assert_eq!(
            said([done, done, State::New]),
            "Step 3, C: make step3 as it is, to see it fail."
        );
        assert_eq!(
            said([done, done, done]),
            "All steps are done: on to the wrap-up."
        );
    }

    #[test]
    fn states_are_told_in_words() {
        assert_eq!(FAILED.to_string(), "not yet; best score 41 of 100");
        assert_eq!(
            (State::New.to_string(), State::New.name()),
            ("not run yet".to_owned(), "new")
        );
    }
}
