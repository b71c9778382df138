//! A guess before a run: what the step asks, what was guessed, what its law computes, and what the run measured.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Finite, Run};

/// The question of a step, as far as a run answers it. Only a run of the starter's text does: the law is about that one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Guess {
    /// What is asked, a sentence.
    pub question: String,
    /// The unit of all three figures, e.g. `%` or `s`.
    pub unit: String,
    /// The check that answers it, by id.
    pub check: String,
    /// What somebody guessed before the run; none where nobody did.
    pub guessed: Option<Finite>,
    /// What the law computes from the scenario's own numbers.
    pub law: Figure,
    /// How the law comes to that, for people, with every number that goes into it.
    pub sum: String,
    /// Why what is measured differs from the law.
    pub differs: String,
    /// What the run measured; none where it answers nothing: it is INVALID, was cancelled, or ended early.
    pub measured: Option<Figure>,
}

/// A number in the unit of its guess.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Figure {
    /// The number.
    pub value: Finite,
    /// True where it is a lower bound: who waited for it gave up.
    pub at_least: bool,
}

impl Guess {
    /// The figures beside each other, in the order in which they were known, each with whose it is. The law's has two
    /// digits, since it is a sum on the back of an envelope; the measured one has three.
    pub fn figures(&self) -> Vec<(&'static str, String)> {
        let guessed = self
            .guessed
            .map(|value| ("you said", self.in_unit(value.get())));
        let law = Some(("the law says", self.in_unit(self.law.text(2))));
        let measured = self
            .measured
            .map(|figure| ("it was", self.in_unit(figure.text(3))));
        [guessed, law, measured].into_iter().flatten().collect()
    }

    /// In one line: `you said 80 %, the law says 22 %, it was 21.7 %`.
    pub fn line(&self) -> String {
        let figures = self.figures().into_iter();
        let figures: Vec<String> = figures
            .map(|(whose, figure)| format!("{whose} {figure}"))
            .collect();
        figures.join(", ")
    }

    fn in_unit(&self, number: impl fmt::Display) -> String {
        format!("{number} {}", self.unit)
    }
}

impl Figure {
    fn text(self, digits: usize) -> String {
        let bound = if self.at_least { "≥ " } else { "" };
        format!("{bound}{}", self.value.rounded(digits))
    }
}

impl Run {
    /// The step's question, where this run answers it.
    pub fn answer(&self) -> Option<&Guess> {
        self.guess.as_ref().filter(|guess| guess.measured.is_some())
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, at_least: bool) -> Figure {
        Figure {
            value: Finite::new(value).unwrap(),
            at_least,
        }
    }

    fn guess() -> Guess {
        Guess {
            question: "How many?".to_owned(),
            unit: "%".to_owned(),
            check: "good".to_owned(),
            guessed: Finite::new(80.0),
            law: figure(22.222_222, false),
            sum: "2 ÷ 9".to_owned(),
            differs: "It differs.".to_owned(),
            measured: Some(figure(21.666_666, false)),
        }
    }

    #[test]
    fn the_three_figures_stand_in_one_line() {
        let whole = guess();
        assert_eq!(
            whole.line(),
            "you said 80 %, the law says 22 %, it was 21.7 %"
        );
        let skipped = Guess {
            guessed: None,
            ..whole.clone()
        };
        assert_eq!(skipped.line(), "the law says 22 %, it was 21.7 %");
        let waited = Guess {
            unit: "s".to_owned(),
            guessed: Finite::new(0.25),
            law: figure(5.0, true),
            measured: Some(figure(5.003, true)),
            ..whole.clone()
        };
        assert_eq!(
            waited.line(),
            "you said 0.25 s, the law says ≥ 5 s, it was ≥ 5 s"
        );
        let none = Guess {
            measured: None,
            ..whole
        };
        assert_eq!(none.line(), "you said 80 %, the law says 22 %");
    }

    #[test]
    fn digits_are_those_that_mean_something() {
        for (value, digits, text) in [
            (0.0, 2, "0"),
            (0.575, 2, "0.57"),
            (6.583, 2, "6.6"),
            (131.25, 2, "130"),
            (6657.1, 3, "6660"),
            (-3.0, 2, "-3"),
        ] {
            assert_eq!(figure(value, false).text(digits), text);
        }
    }
}
