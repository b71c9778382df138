//! The table as a page gets it: a column a step, a row a participant, and of those only what is new.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lab_record::Part;
use serde::Serialize;

use super::state::{Cell, State};
use crate::step::Step;

/// What changed since a page looked last.
#[derive(Debug, Serialize)]
pub(crate) struct Table<'a> {
    /// The version that this leads to.
    version: u64,
    columns: Vec<Column<'a>>,
    /// In no order that matters.
    rows: Vec<Row<'a>>,
    codes: usize,
    /// Seconds since 1970, of the machine whose clock the rows go by.
    now: i64,
}

/// A step.
#[derive(Debug, Serialize)]
struct Column<'a> {
    number: usize,
    title: &'a str,
    guesses: Option<Spread>,
    unit: Option<&'a str>,
}

/// How guesses are spread, in the unit of the question.
#[derive(Debug, PartialEq, Serialize)]
struct Spread {
    count: usize,
    least: f64,
    /// A quarter of them are at most this.
    low: f64,
    median: f64,
    /// Three quarters of them are at most this.
    high: f64,
    most: f64,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    /// When something was last heard, seconds since 1970.
    heard: i64,
    /// Whether every step that the hour has is passed: then silence says nothing.
    done: bool,
    /// By the number of the step.
    cells: BTreeMap<usize, Score>,
}

#[derive(Debug, Serialize)]
struct Score {
    best: u8,
    doubted: bool,
    runs: usize,
    /// When the first run that passed began, seconds since 1970.
    passed: Option<i64>,
}

/// The table of a state, with the rows that came or changed after a version; 0 for all of them.
pub(crate) fn table<'a>(
    state: &'a State,
    steps: &'a [Step],
    since: u64,
    now: Timestamp,
) -> Table<'a> {
    let has_codes = |step: &Step| {
        let mut people = state.people().values();
        people.any(|person| person.cells.contains_key(&step.scenario))
    };
    // What is done after the event stands there once somebody does it.
    let shown = (1..)
        .zip(steps)
        .filter(|(_, step)| step.part == Part::Hour || has_codes(step));
    let rows = state.people().iter();
    let rows = rows
        .filter(|(_, person)| person.changed > since)
        .map(|(name, person)| {
            let cell = |step: &Step| person.cells.get(&step.scenario);
            let passed = |step: &Step| cell(step).is_some_and(|cell| cell.passed.is_some());
            let mut hour = steps.iter().filter(|step| step.part == Part::Hour);
            Row {
                name: name.as_str(),
                heard: person.heard.as_second(),
                done: hour.all(passed),
                cells: (1..)
                    .zip(steps)
                    .filter_map(|(number, step)| Some((number, Score::of(cell(step)?))))
                    .collect(),
            }
        });
    Table {
        version: state.version(),
        rows: rows.collect(),
        columns: shown
            .map(|(number, step)| column(state, number, step))
            .collect(),
        codes: state.entries().len(),
        now: now.as_second(),
    }
}

fn column<'a>(state: &State, number: usize, step: &'a Step) -> Column<'a> {
    let cells = state
        .people()
        .values()
        .filter_map(|person| person.cells.get(&step.scenario));
    Column {
        number,
        title: &step.title,
        guesses: Spread::of(cells.flat_map(Cell::guesses).collect()),
        unit: step.guess.as_ref().map(|asked| asked.unit.as_str()),
    }
}

impl Score {
    fn of(cell: &Cell) -> Self {
        Self {
            best: cell.best,
            doubted: cell.doubted,
            runs: cell.runs,
            passed: cell.passed.map(Timestamp::as_second),
        }
    }
}

impl Spread {
    /// None of no guesses. Quantiles are values that somebody guessed (nearest rank), and no means of two.
    fn of(mut guesses: Vec<f64>) -> Option<Self> {
        guesses.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * guesses.len() as f64).ceil().max(1.0) as usize;
            guesses[rank - 1]
        };
        (!guesses.is_empty()).then(|| Self {
            count: guesses.len(),
            least: guesses[0],
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
            most: guesses[guesses.len() - 1],
        })
    }
}

#[cfg(test)]
mod tests {
    use lab_record::{Outcome, ShareCode};
    use serde_json::{Value, json};

    use super::{super::state::tests::code, *};

    fn steps() -> Vec<Step> {
        let step = |scenario: &str, part: &str| {
            let step = json!({"scenario": scenario, "title": scenario, "chapter": "c.md", "part": part,
                "guess": {"question": "How many?", "unit": "%"}});
            serde_json::from_value(step).unwrap()
        };
        vec![
            step("timeouts", "hour"),
            step("tx", "hour"),
            step("retries", "afterwards"),
        ]
    }

    fn shown(state: &State, since: u64) -> Value {
        serde_json::to_value(table(state, &steps(), since, Timestamp::UNIX_EPOCH)).unwrap()
    }

    #[test]
    fn a_page_gets_what_is_new_alone() {
        let mut state = State::default();
        for name in ["ada", "bob"] {
            let code = code(1, Outcome::Fail, 40, None, name);
            state.take(&code, code.at);
        }
        let first = shown(&state, 0);
        assert_eq!(first["rows"].as_array().unwrap().len(), 2);
        let again = code(2, Outcome::Pass, 100, None, "bob");
        state.take(&again, again.at);
        let then = shown(&state, first["version"].as_u64().unwrap());
        let score =
            json!({"best": 100, "doubted": false, "runs": 2, "passed": again.at.as_second()});
        let row = json!({"name": "bob", "heard": again.at.as_second(), "done": false, "cells": {"1": score}});
        assert_eq!(then["rows"], json!([row]));
        assert_eq!(shown(&state, state.version())["rows"], json!([]));
    }

    #[test]
    fn a_step_for_afterwards_has_a_column_once_somebody_does_it() {
        let mut state = State::default();
        assert_eq!(shown(&state, 0)["columns"].as_array().unwrap().len(), 2);
        let late = ShareCode {
            scenario: "retries".to_owned(),
            ..code(1, Outcome::Fail, 40, None, "ada")
        };
        state.take(&late, late.at);
        let columns = shown(&state, 0)["columns"].clone();
        assert_eq!(
            (columns.as_array().unwrap().len(), &columns[2]["number"]),
            (3, &json!(3))
        );
    }

    #[test]
    fn a_spread_is_made_of_values_that_were_guessed() {
        assert_eq!(Spread::of(Vec::new()), None);
        let spread = Spread::of(vec![80.0, 5.0, 20.0, 95.0, 60.0]).unwrap();
        let Spread {
            count,
            least,
            low,
            median,
            high,
            most,
        } = spread;
        assert_eq!(
            (count, least, low, median, high, most),
            (5, 5.0, 20.0, 60.0, 80.0, 95.0)
        );
        let one = Spread::of(vec![7.0]).unwrap();
        assert_eq!((one.least, one.median, one.most), (7.0, 7.0, 7.0));
    }
}
