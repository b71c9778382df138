//! What was guessed, what the law says and what it was: of one run, and of all runs of a scenario beside each other.

use lab_record::{Guess, Run};
use maud::{Markup, html};

use super::number::counted;

/// The place of the dots, in the units of the drawing.
const WIDTH: f64 = 600.0;
const DOT: f64 = 5.0;
/// Room for half of a mark at either end.
const EDGE: f64 = 12.0;

/// The section of a run's report; nothing where it answers no guess.
pub(crate) fn section(run: &Run) -> Markup {
    html! {
        @if let Some(guess) = run.answer() {
            section #guess {
                h2 { "Guess, law, measured" }
                p { (guess.question) }
                (figures(guess))
                p.note { (guess.sum) " " (guess.differs) }
            }
        }
    }
}

fn figures(guess: &Guess) -> Markup {
    html! {
        dl.guess {
            @for (whose, figure) in guess.figures() {
                div { dt { (whose) } dd { (figure.replace(' ', "\u{a0}")) } }
            }
        }
    }
}

/// How far the guesses of these runs lie apart, a dot each; nothing where there is none.
pub(crate) fn spread(runs: &[&Run]) -> Markup {
    let answers = runs.iter().filter_map(|run| run.answer());
    let guessed: Vec<&Guess> = answers.filter(|guess| guess.guessed.is_some()).collect();
    html! {
        // Of the newest, the law that stands in the scenario now.
        @if let Some(newest) = guessed.last() {
            details.guesses {
                summary { (counted(guessed.len(), "guess", "guesses")) ": " (newest.question) }
                (Dots::of(&guessed, newest).markup())
                p.note { (newest.sum) " " (newest.differs) }
            }
        }
    }
}

/// A dot plot: equal guesses stand upon each other.
struct Dots<'a> {
    /// From the first to the last.
    values: Vec<f64>,
    /// The newest, for what all share.
    newest: &'a Guess,
    end: f64,
}

impl<'a> Dots<'a> {
    fn of(guessed: &[&Guess], newest: &'a Guess) -> Self {
        let mut values: Vec<f64> = guessed
            .iter()
            .filter_map(|guess| Some(guess.guessed?.get()))
            .collect();
        values.sort_by(f64::total_cmp);
        let marks = [Some(newest.law), newest.measured].into_iter().flatten();
        let largest = marks.map(|figure| figure.value.get());
        let largest = largest.chain(values.iter().copied()).fold(0.0, f64::max);
        let end = if newest.unit == "%" { 100.0 } else { 1.0 };
        Self {
            values,
            newest,
            end: largest.max(end),
        }
    }

    fn x(&self, value: f64) -> f64 {
        EDGE + (WIDTH - 2.0 * EDGE) * value / self.end
    }

    /// The dots: those that would lie on another one stand above it.
    fn places(&self) -> Vec<(f64, usize)> {
        let mut columns: Vec<(f64, usize)> = Vec::new();
        let mut places = Vec::new();
        for value in &self.values {
            let x = self.x(*value);
            match columns.last_mut() {
                Some((at, height)) if x - *at < 2.0 * DOT => *height += 1,
                _ => columns.push((x, 0)),
            }
            places.extend(columns.last().copied());
        }
        places
    }

    fn markup(&self) -> Markup {
        let places = self.places();
        let tallest = places.iter().map(|(_, height)| *height).max().unwrap_or(0);
        let floor = 2.0 * DOT * (tallest + 1) as f64 + 16.0;
        let marks = [
            ("law", Some(self.newest.law)),
            ("measured", self.newest.measured),
        ];
        html! {
            svg.dots width=(WIDTH) height=(floor + 20.0) viewBox={ "0 0 " (WIDTH) " " (floor + 20.0) } role="img"
                aria-label=(self.words()) {
                line.axis x1=(EDGE) x2=(WIDTH - EDGE) y1=(floor) y2=(floor) {}
                text x=(EDGE) y=(floor + 15.0) { "0" }
                text.end x=(WIDTH - EDGE) y=(floor + 15.0) { (self.end) " " (self.newest.unit) }
                @for (class, figure) in marks {
                    @if let Some(figure) = figure {
                        line.(class) x1=(self.x(figure.value.get())) x2=(self.x(figure.value.get())) y1="0" y2=(floor) {}
                    }
                }
                @for (x, height) in &places {
                    circle cx=(x) cy=(floor - DOT - 2.0 * DOT * *height as f64) r=(DOT - 0.5) {}
                }
            }
            p.key {
                @for (whose, figure) in self.newest.figures().into_iter().skip(1) {
                    span.(if whose == "it was" { "measured" } else { "law" }) { (whose) " " b { (figure) } } " "
                }
            }
        }
    }

    fn words(&self) -> String {
        let values: Vec<String> = self.values.iter().map(ToString::to_string).collect();
        let figures = self.newest.figures().into_iter().skip(1);
        let figures: Vec<String> = figures
            .map(|(whose, figure)| format!("{whose} {figure}"))
            .collect();
        format!(
            "Guessed, in {}: {}; {}",
            self.newest.unit,
            values.join(", "),
            figures.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use lab_record::Finite;

    use super::*;
    use crate::sample;

    #[test]
    fn guesses_that_meet_stand_upon_each_other() {
        let mut runs = vec![sample::failing(); 5];
        for (run, value) in runs.iter_mut().zip([80.0, 10.0, 80.5, 95.0, 80.0]) {
            run.guess.as_mut().unwrap().guessed = Finite::new(value);
        }
        // Who skipped it and what answers nothing have no dot.
        runs[3].guess.as_mut().unwrap().guessed = None;
        runs.push(sample::invalid());
        let runs: Vec<&Run> = runs.iter().collect();
        let answers: Vec<&Guess> = runs.iter().filter_map(|run| run.answer()).collect();
        assert_eq!(answers.len(), 5);
        let page = spread(&runs).into_string();
        assert_eq!(page.matches("<circle").count(), 4);
        assert!(
            page.contains("4 guesses: How many of the bystanders"),
            "{page}"
        );
        let guessed: Vec<&Guess> = answers
            .into_iter()
            .filter(|guess| guess.guessed.is_some())
            .collect();
        let dots = Dots::of(&guessed, guessed[0]);
        let heights: Vec<usize> = dots.places().iter().map(|(_, height)| *height).collect();
        assert_eq!(heights, [0, 0, 1, 2]);
        assert_eq!(
            dots.words(),
            "Guessed, in %: 10, 80, 80, 80.5; the law says 40 %, it was 41.2 %"
        );
        assert!(spread(&[]).into_string().is_empty());
    }
}
