//! What became of a guess: it is about the starter, and only a whole run that can be believed answers it.

use lab_record::{Check, Figure, Finite, Guess, Verdict};

use crate::scenario::{Scenario, Sum};

/// What ran and came out, as far as it matters to a guess.
pub(super) struct Came<'a> {
    /// True where the starter's text ran.
    pub(super) starter: bool,
    /// True where it ran to its end.
    pub(super) whole: bool,
    pub(super) checks: &'a [Check],
    pub(super) verdict: Verdict,
}

/// The scenario's question with the law's answer and, where the run gives one, the measured one. None where another text
/// than the starter's ran: the law is about that one.
pub(super) fn answered(
    scenario: &Scenario,
    guessed: Option<Finite>,
    came: &Came<'_>,
) -> Option<Guess> {
    let asked = scenario.guess.as_ref().filter(|_| came.starter)?;
    let times = asked.per_base_unit(scenario).ok()?;
    let Sum {
        value,
        at_least,
        text,
    } = asked.sum(scenario).ok()?;
    let figure = |value: f64, at_least| {
        Some(Figure {
            value: Finite::new(value * times)?,
            at_least,
        })
    };
    let answers = came.whole && came.verdict.outcome.judges();
    let mut checks = came.checks.iter().filter(|_| answers);
    let check = checks.find(|check| check.id == *asked.check.get_ref());
    Some(Guess {
        question: asked.question.clone(),
        unit: asked.unit.clone(),
        check: asked.check.get_ref().clone(),
        guessed,
        law: figure(value, at_least)?,
        sum: text,
        differs: asked.differs.clone(),
        measured: check.and_then(|check| figure(check.value?.get(), check.is_lower_bound())),
    })
}

#[cfg(test)]
mod tests {
    use lab_record::Outcome;

    use super::*;
    use crate::scenario::step;

    /// The line of a run of step 1 that measured 21.7 %.
    fn line(starter: bool, whole: bool, outcome: Outcome) -> Option<String> {
        let mut run = lab_report::sample::failing();
        run.checks.truncate(1);
        run.checks[0].id = "bystander_good".to_owned();
        run.checks[0].value = Finite::new(0.217);
        let came = Came {
            starter,
            whole,
            checks: &run.checks,
            verdict: Verdict {
                outcome,
                score: None,
            },
        };
        let guess = answered(&step("timeouts").unwrap(), Finite::new(80.0), &came)?;
        Some(guess.line())
    }

    #[test]
    fn only_a_whole_run_of_the_starter_that_can_be_believed_answers() {
        let asked = "you said 80 %, the law says 22 %";
        let answered = format!("{asked}, it was 21.7 %");
        for outcome in [Outcome::Pass, Outcome::Fail] {
            assert_eq!(line(true, true, outcome).as_deref(), Some(&*answered));
            assert_eq!(line(false, true, outcome), None);
        }
        for (whole, outcome) in [
            (true, Outcome::Invalid),
            (true, Outcome::Cancelled),
            (false, Outcome::Fail),
        ] {
            assert_eq!(line(true, whole, outcome).as_deref(), Some(asked));
        }
    }
}
