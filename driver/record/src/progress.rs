//! How far the steps are, and the one next thing to do. Whoever says it, the terminal, a report or the guide, says what
//! stands here.

use std::fmt;

use crate::{Brief, Outcome, Part, Reports, RunId, Standing, Text};

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
    /// That of a scenario, by its runs, and the newest of them.
    pub(crate) fn of(reports: &Reports, scenario: &str) -> (Self, Option<RunId>) {
        let mut told = reports.briefs(scenario).filter(Brief::is_told).peekable();
        let Some(latest) = told.peek().cloned() else {
            return (Self::New, None);
        };
        let mut best = None;
        let passed = told.any(|brief| {
            best = best.max(brief.score);
            brief.outcome == Outcome::Pass
        });
        let state = if passed {
            Self::Done {
                latest_fails: latest.outcome == Outcome::Fail,
            }
        } else {
            Self::Open {
                best,
                latest_is_invalid: latest.outcome == Outcome::Invalid,
            }
        };
        (state, Some(latest.run_id))
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
pub struct Next {
    /// The step that it is about, with its number from 1; none where all are done.
    step: Option<(usize, Standing)>,
    /// Whether it is the first after the event, and the hour has just ended.
    leads_on: bool,
    /// The step from which somebody went on who has not done those before.
    ahead: Option<usize>,
}

impl Next {
    /// That of the steps in their order, but for one thing: whoever is at a step and has not done it stays there.
    pub fn of(steps: &[Standing]) -> Self {
        let is_new = |step: &Standing| step.state == State::New;
        let is_open = |step: &Standing| !matches!(step.state, State::Done { .. });
        // Who came late has the references of the steps before in place, and ran none of them.
        let is_given = |step: &Standing| is_new(step) && step.text() == Some(Text::Reference);
        let mut open = (1..).zip(steps).filter(|(_, step)| is_open(step));
        let newest = steps.iter().filter_map(|step| step.latest.as_ref()).max();
        let is_here = |step: &Standing| step.latest.is_some() && step.latest.as_ref() == newest;
        let step = open
            .clone()
            .find(|(_, step)| is_here(step))
            .or_else(|| open.clone().find(|(_, step)| !is_given(step)))
            .or_else(|| open.next());
        let later = steps.iter().filter(|step| step.part == Part::Afterwards);
        let is_later = step.is_some_and(|(_, step)| step.part == Part::Afterwards);
        let from = step.map_or(0, |(number, _)| number);
        let mut after = (1..).zip(steps).skip(from);
        let ahead = after.find(|(_, step)| step.part == Part::Hour && !is_new(step));
        Self {
            step: step.map(|(number, step)| (number, step.clone())),
            leads_on: is_later && later.clone().all(is_new),
            ahead: ahead.filter(|_| !is_later).map(|(number, _)| number),
        }
    }

    /// The number of the step that it is about, from 1; none where all are done.
    pub fn number(&self) -> Option<usize> {
        self.step.as_ref().map(|(number, _)| *number)
    }

    /// What is said before all else; empty as a rule.
    pub fn lead(&self) -> &'static str {
        if self.leads_on {
            "the hour is behind you, on to the wrap-up. After the event: "
        } else {
            ""
        }
    }

    /// What it is about: `Step 3, Bulkheads`. None where all is done.
    pub fn about(&self) -> Option<String> {
        let (number, step) = self.step.as_ref()?;
        Some(format!("Step {number}, {}", step.title))
    }

    /// What to do, after what it is about; commands stand in backticks.
    pub fn what(&self) -> String {
        let Some((number, step)) = &self.step else {
            return "All steps are done: on to the wrap-up.".to_owned();
        };
        match (step.state, step.text()) {
            (_, Some(Text::Missing)) => {
                "what you edit is missing: `make restore` puts a saved text there, \
                                         `make reset` the starters."
                    .to_owned()
            }
            (State::New | State::Done { .. }, Some(Text::Yours)) => format!(
                "`make step{number}`; `make step{number} CODE=starter` is the run that yours is compared with."
            ),
            (State::New | State::Open { .. }, Some(Text::Reference)) => {
                let restore = if step.saved() > 0 {
                    "; `make restore` has your own text"
                } else {
                    ""
                };
                format!("`make step{number}` with the reference in place, to see it hold{restore}.")
            }
            (
                State::Open {
                    latest_is_invalid: true,
                    ..
                },
                _,
            ) => {
                format!("`make step{number}` again, since the last run can't be believed.")
            }
            (State::Open { .. }, _) => {
                format!("mend the marked place, then `make step{number}` again.")
            }
            (State::New | State::Done { .. }, _) => {
                format!("`make step{number}` as it is, to see it fail.")
            }
        }
    }

    /// What else to do for who came late or went on with the room, with commands in backticks; none where nobody did.
    pub fn late(&self) -> Option<String> {
        let (number, step) = self.step.as_ref()?;
        if let Some(ahead) = self.ahead {
            return Some(format!(
                "To go on from step {ahead}: `make catchup{ahead}` puts the references of the steps before it in place; \
                 your texts are saved."
            ));
        }
        let has_begun = step.state != State::New || step.text() == Some(Text::Yours);
        let is_start = *number == 1 && step.part == Part::Hour && !has_begun;
        is_start.then(|| {
            "Came late? Where the room is at step 3, `make catchup3` puts the references of the steps before it in place."
                .to_owned()
        })
    }
}

/// All of it, as the terminal says it: `Step 1, Timeouts: make step1 as it is, to see it fail.`
impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lead())?;
        if let Some(about) = self.about() {
            write!(f, "{about}: ")?;
        }
        f.write_str(&self.what().replace('`', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EditPoint;

    const FAILED: State = State::Open {
        best: Some(41),
        latest_is_invalid: false,
    };

    fn step(title: &str, part: Part, state: State, text: Text, saved: usize) -> Standing {
        let file = "a.rs".into();
        Standing {
            title: title.to_owned(),
            part,
            state,
            latest: (state != State::New).then(|| "20261123T151302Z-4f2a".parse().unwrap()),
            edits: vec![EditPoint { file, text, saved }],
        }
    }

    const DONE: State = State::Done { latest_fails: true };

    #[test]
    fn the_first_step_that_is_not_done_is_next() {
        let said = |states: [State; 2]| {
            let [one, two] = states;
            Next::of(&[
                step("One", Part::Hour, one, Text::Starter, 0),
                step("Two", Part::Hour, two, Text::Starter, 0),
            ])
            .to_string()
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
            said([DONE, invalid]),
            "Step 2, Two: make step2 again, since the last run can't be believed."
        );
        assert_eq!(said([DONE, DONE]), "All steps are done: on to the wrap-up.");
    }

    #[test]
    fn what_stands_at_the_edit_point_is_part_of_what_is_next() {
        let said = |state, text, saved| {
            Next::of(&[step("One", Part::Hour, state, text, saved)]).to_string()
        };
        assert_eq!(
            said(FAILED, Text::Reference, 2),
            "Step 1, One: make step1 with the reference in place, to see it hold; make restore has your own text."
        );
        assert_eq!(
            said(State::New, Text::Reference, 0),
            "Step 1, One: make step1 with the reference in place, to see it hold."
        );
        assert!(
            said(State::New, Text::Yours, 0).contains("make step1; make step1 CODE=starter is")
        );
        assert!(said(FAILED, Text::Missing, 0).contains("make restore puts a saved text there"));
    }

    #[test]
    fn who_came_late_goes_on_where_the_room_is() {
        let hour = |state, text| step("S", Part::Hour, state, text, 0);
        let given = hour(State::New, Text::Reference);
        let new = hour(State::New, Text::Starter);
        let next = Next::of(&[given.clone(), given, new.clone()]);
        assert_eq!((next.number(), next.late()), (Some(3), None));

        let next = Next::of(&[new.clone(), new.clone()]);
        assert!(next.late().unwrap().contains("`make catchup3`"));
        let next = Next::of(&[new.clone(), hour(FAILED, Text::Starter)]);
        assert_eq!((next.number(), next.late()), (Some(2), None));
        let next = Next::of(&[new.clone(), hour(DONE, Text::Yours)]);
        assert_eq!(next.number(), Some(1));
        assert!(next.late().unwrap().contains("`make catchup2`"));
        let next = Next::of(&[hour(DONE, Text::Yours), new]);
        assert_eq!(next.late(), None);
    }

    #[test]
    fn after_the_hour_come_the_wrap_up_and_the_steps_after_the_event() {
        let steps = |later| {
            [
                step("One", Part::Hour, DONE, Text::Yours, 0),
                step("Two", Part::Afterwards, later, Text::Starter, 0),
                step("Three", Part::Afterwards, State::New, Text::Starter, 0),
            ]
        };
        assert_eq!(
            Next::of(&steps(State::New)).to_string(),
            "the hour is behind you, on to the wrap-up. After the event: Step 2, Two: make step2 as it is, to see it fail."
        );
        assert_eq!(
            Next::of(&steps(FAILED)).to_string(),
            "Step 2, Two: mend the marked place, then make step2 again."
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
