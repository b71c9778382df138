//! What was added to cells in a while: handed over, sent, and added to those of somebody else.

use std::{mem, time::Duration};

use lab_record::{Bars, Ends};
use serde::{Deserialize, Serialize};

use super::{Cell, InPhase, OfClass, Times};
use crate::{Lateness, lateness::Lately, summary::add_ends};

/// A part of the cells of a plan. What it takes grows with the cells and buckets that something fell into, and not with
/// the number of requests, their keys apart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellsPart {
    pub(super) classes: Vec<PartOfClass>,
    pub(super) lateness: Lately,
    pub(super) requests: u64,
}

/// What an engine says of a while: what became of the requests that ended in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Number of the engine, from 0.
    pub engine: u32,
    /// When that while ended, from the start of the run. It began when the engine's last one ended.
    pub until: Duration,
    /// What ended.
    pub part: CellsPart,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PartOfClass {
    pub(super) again: u64,
    pub(super) cells: Vec<(Duration, Cell)>,
    pub(super) in_phases: Vec<PartOfPhase>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PartOfPhase {
    ends: Ends,
    answers: Bars,
    refusals: Times,
    service_time: Times,
}

impl CellsPart {
    /// How many requests it is of.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Of these, the requests of clients that had asked before.
    pub fn again(&self) -> u64 {
        self.classes.iter().map(|of| of.again).sum()
    }

    /// The same of the class with this index in the plan.
    pub fn again_of(&self, class: usize) -> u64 {
        self.classes.get(class).map_or(0, |of| of.again)
    }

    /// Its cells of the class with this index in the plan, by their starts.
    pub fn of(&self, class: usize) -> impl Iterator<Item = (Duration, &Cell)> {
        let cells = self.classes.get(class).map(|of| of.cells.iter());
        let cells = cells.into_iter().flatten();
        cells.map(|(start, cell)| (*start, cell))
    }

    /// Its cells of all classes, class by class.
    pub fn all(&self) -> impl Iterator<Item = &Cell> {
        let cells = self.classes.iter().flat_map(|of| &of.cells);
        cells.map(|(_, cell)| cell)
    }

    /// Adds how late its requests left to what is known of others.
    pub fn add_lateness_to(&self, lateness: &mut Lateness) {
        lateness.merge(&self.lateness);
    }
}

impl OfClass {
    pub(super) fn take(&mut self) -> PartOfClass {
        let packed = |(start, mut cell): (Duration, Box<Cell>)| {
            cell.pack();
            (start, *cell)
        };
        PartOfClass {
            again: mem::take(&mut self.again),
            cells: mem::take(&mut self.cells).into_iter().map(packed).collect(),
            in_phases: self.in_phases.iter_mut().map(InPhase::take).collect(),
        }
    }
}

impl InPhase {
    fn take(&mut self) -> PartOfPhase {
        PartOfPhase {
            ends: mem::take(&mut self.ends),
            answers: mem::take(&mut self.answers),
            refusals: Times::taken_from(&mut self.refusals),
            service_time: Times::taken_from(&mut self.service_time),
        }
    }

    pub(super) fn merge(&mut self, part: &PartOfPhase) {
        let PartOfPhase {
            ends,
            answers,
            refusals,
            service_time,
        } = part;
        add_ends(&mut self.ends, ends);
        self.answers.merge(answers);
        refusals.add_to(&mut self.refusals);
        service_time.add_to(&mut self.service_time);
    }
}
