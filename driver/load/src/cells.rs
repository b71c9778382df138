//! What became of the requests, by class and cell of time: counts and distributions, never single requests. What is kept
//! grows with the length of a run and its classes, not with the number of requests.
//!
//! Nothing is lost of what is shown or judged. A cell is at most 100 ms wide and ends where a phase ends, so that phases,
//! seconds, windows of half a second and pauses of the driver are whole cells. Of a latency as much is kept as
//! percentiles tell. Keys are kept one by one where that is wanted.
//!
//! Cells are handed over in parts as a run goes ([`CellsPart`]), and made of such parts by addition: those of several engines,
//! or of one after the other, are the cells of all their requests.

use std::{collections::BTreeMap, mem, ops::Range, time::Duration};

use lab_record::{Bars, Ends, Totals};
use serde::{Deserialize, Serialize};

use super::{
    ClassPlan, Lateness, Plan, Sample,
    summary::{Distribution, Expectation, Fate, add, count, count_end, lower, observed},
};

mod bag;
mod grid;
mod part;

pub(crate) use bag::Bag;
use grid::Grid;
pub use part::{Account, CellsPart};

/// Little is due, or ends, so long before the latest that is or does.
const SETTLED: Duration = Duration::from_secs(10);

/// What became of the requests of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    grid: Grid,
    phases: Vec<Range<Duration>>,
    classes: Vec<OfClass>,
    lateness: Lateness,
    requests: u64,
}

/// A cell of time, as far as one class goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What became of the requests that were due in it, whenever that was.
    pub due: Totals,
    /// Of these, answered as wished within the objective.
    pub good: u64,
    /// Of these, written to a connection.
    pub left: u64,
    /// Of those, later than the plan allows.
    pub late: u64,
    /// Requests that were written in it, whenever they were due.
    pub written: u64,
    /// Those that ended in it.
    pub ended: Ended,
    latency: Times,
    keys: Option<Box<Keys>>,
}

/// Requests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// In any way.
    pub all: u64,
    /// Answered as wished.
    pub ok: u64,
    /// Refused as is right.
    pub expected: u64,
    /// Failed, given up or dropped.
    pub failed: u64,
}

/// A [`Distribution`] while it is one of many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    buckets: Bag,
    /// The least that is only a lower bound, in µs.
    lowest_censored: Option<u64>,
}

/// The keys of the requests that were due in a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Keys {
    asked: Bag,
    ok: Bag,
}

#[derive(Clone, Debug, PartialEq)]
struct OfClass {
    expectation: Expectation,
    timeout: Duration,
    keeps_keys: bool,
    /// Requests of clients that had asked before.
    again: u64,
    cells: BTreeMap<Duration, Box<Cell>>,
    /// By phase, and in the end of what was due in none.
    in_phases: Vec<InPhase>,
}

/// What is shown by phase only.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct InPhase {
    pub(super) ends: Ends,
    pub(super) answers: Bars,
    pub(super) refusals: Distribution,
    pub(super) service_time: Distribution,
}

impl Cells {
    /// For the requests of a plan.
    pub fn new(plan: &Plan) -> Self {
        let class = |class: &ClassPlan| OfClass {
            expectation: class.expectation.clone(),
            timeout: class.timeout,
            keeps_keys: class.keeps_keys,
            again: 0,
            cells: BTreeMap::new(),
            in_phases: vec![InPhase::default(); plan.phases.len() + 1],
        };
        let phases = plan.phases.iter();
        Self {
            grid: Grid::new(phases.clone().flat_map(|phase| [phase.from, phase.to])),
            phases: phases.map(|phase| phase.from..phase.to).collect(),
            classes: plan.classes.iter().map(class).collect(),
            lateness: Lateness::new(plan.lateness),
            requests: 0,
        }
    }

    /// Takes in what became of a request. One of a class that the plan has not is none of its.
    pub fn add(&mut self, sample: &Sample) {
        let Some(class) = self.classes.get_mut(usize::from(sample.class)) else {
            return;
        };
        self.requests += 1;
        class.again += u64::from(sample.attempt > 0);
        let late = sample.lateness().map(|of| self.lateness.note(of));
        let fate = class.expectation.fate(sample.end);
        let mut phases = self.phases.iter();
        let phase = phases.position(|phase| phase.contains(&sample.intended));
        class.note_in_phase(phase.unwrap_or(self.phases.len()), sample, fate);
        class.cell(self.grid.start(sample.done)).ended.count(fate);
        if let Some(written) = sample.written {
            class.cell(self.grid.start(written)).written += 1;
        }
        class.note_due(self.grid.start(sample.intended), sample, fate, late);
    }

    /// Hands over what was taken in, and begins anew.
    pub fn take(&mut self) -> CellsPart {
        CellsPart {
            classes: self.classes.iter_mut().map(OfClass::take).collect(),
            lateness: self.lateness.take(),
            requests: mem::take(&mut self.requests),
        }
    }

    /// Takes in a part of the cells of the same plan.
    pub fn merge(&mut self, part: &CellsPart) {
        self.requests += part.requests;
        self.lateness.merge(&part.lateness);
        for (class, part) in self.classes.iter_mut().zip(&part.classes) {
            class.again += part.again;
            for (start, cell) in &part.cells {
                class.cell(self.grid.start(*start)).merge(cell);
            }
            for (phase, part) in class.in_phases.iter_mut().zip(&part.in_phases) {
                phase.merge(part);
            }
        }
    }

    /// How many requests were taken in.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// How late they left, those of all classes together.
    pub fn lateness(&self) -> &Lateness {
        &self.lateness
    }

    /// The cells of the class with this index in the plan, in order of time. A cell in which nothing happened is none.
    pub fn of(&self, class: usize) -> impl Iterator<Item = (Range<Duration>, &Cell)> + Clone {
        let cells = self.classes.get(class).map(|of| of.cells.iter());
        let cells = cells.into_iter().flatten();
        cells.map(|(start, cell)| (*start..self.grid.end(*start), &**cell))
    }

    /// The cells of all classes, class by class.
    pub fn all(&self) -> impl Iterator<Item = (Range<Duration>, &Cell)> {
        (0..self.classes.len()).flat_map(|class| self.of(class))
    }

    /// What of a span is whole cells.
    pub fn whole(&self, span: Range<Duration>) -> Range<Duration> {
        self.grid.whole(span)
    }

    /// By phase, and in the end of what was due in none.
    pub(super) fn in_phases(&self, class: usize) -> &[InPhase] {
        self.classes.get(class).map_or(&[], |of| &of.in_phases)
    }
}

impl OfClass {
    fn cell(&mut self, start: Duration) -> &mut Cell {
        if !self.cells.contains_key(&start) {
            let mut settled = self.cells.range_mut(..start.saturating_sub(SETTLED));
            if let Some((_, cell)) = settled.next_back() {
                cell.pack();
            }
        }
        self.cells.entry(start).or_default()
    }

    fn note_in_phase(&mut self, phase: usize, sample: &Sample, fate: Fate) {
        let in_phase = &mut self.in_phases[phase];
        count_end(&mut in_phase.ends, sample.end);
        if fate == Fate::Ok {
            in_phase.answers.add(sample.latency());
        }
        if observed(sample.latency(), fate, self.timeout).is_none() {
            in_phase.refusals.record((sample.latency(), false));
        }
        if let Some(time) = sample.service_time()
            && let Some(time) = observed(time, fate, self.timeout)
        {
            in_phase.service_time.record(time);
        }
    }

    fn note_due(&mut self, start: Duration, sample: &Sample, fate: Fate, late: Option<bool>) {
        let (timeout, slo, keeps_keys) = (self.timeout, self.expectation.slo, self.keeps_keys);
        let cell = self.cell(start);
        count(&mut cell.due, fate);
        cell.good += u64::from(fate == Fate::Ok && sample.latency() <= slo);
        cell.left += u64::from(late.is_some());
        cell.late += u64::from(late == Some(true));
        if let Some(time) = observed(sample.latency(), fate, timeout) {
            cell.latency.insert(time);
        }
        if keeps_keys {
            let keys = cell.keys.get_or_insert_default();
            // At the highest rate of a schedule so many take more than an hour.
            let key = u32::try_from(sample.key).unwrap_or(u32::MAX);
            keys.asked.insert(key);
            if fate == Fate::Ok {
                keys.ok.insert(key);
            }
        }
    }
}

impl Cell {
    /// The latencies of the requests that were due in it, right refusals apart, as far as they are kept
    /// ([`Distribution::kept`]), each with the number of its requests; one may come more than once.
    pub fn latencies(&self) -> impl Iterator<Item = (Duration, u64)> {
        let buckets = self.latency.buckets.iter();
        buckets.map(|(bucket, times)| (Duration::from_micros(Distribution::lowest(bucket)), times))
    }

    /// The keys that were asked for, each with the number of its requests; a key may come more than once, and its
    /// numbers add up. None where the plan doesn't keep them.
    pub fn asked(&self) -> impl Iterator<Item = (u64, u64)> {
        let keys = self.keys.iter().flat_map(|keys| keys.asked.iter());
        keys.map(|(key, times)| (key.into(), times))
    }

    /// The keys of the requests that were answered as wished, as above.
    pub fn answered(&self) -> impl Iterator<Item = (u64, u64)> {
        let keys = self.keys.iter().flat_map(|keys| keys.ok.iter());
        keys.map(|(key, times)| (key.into(), times))
    }

    fn merge(&mut self, part: &Self) {
        let Self {
            due,
            good,
            left,
            late,
            written,
            ended,
            latency,
            keys,
        } = part;
        add(&mut self.due, due);
        self.good += good;
        self.left += left;
        self.late += late;
        self.written += written;
        self.ended.merge(*ended);
        self.latency.merge(latency);
        if let Some(part) = keys {
            let keys = self.keys.get_or_insert_default();
            keys.asked.merge(&part.asked);
            keys.ok.merge(&part.ok);
        }
    }

    fn pack(&mut self) {
        self.latency.buckets.pack();
        if let Some(keys) = &mut self.keys {
            keys.asked.pack();
            keys.ok.pack();
        }
    }
}

impl Ended {
    fn count(&mut self, fate: Fate) {
        self.all += 1;
        match fate {
            Fate::Ok => self.ok += 1,
            Fate::Expected => self.expected += 1,
            Fate::Failed | Fate::TimedOut | Fate::Dropped => self.failed += 1,
            Fate::Unfinished => {}
        }
    }

    fn merge(&mut self, part: Self) {
        let Self {
            all,
            ok,
            expected,
            failed,
        } = part;
        self.all += all;
        self.ok += ok;
        self.expected += expected;
        self.failed += failed;
    }
}

impl Times {
    /// All of a distribution, which is empty then.
    fn taken_from(distribution: &mut Distribution) -> Self {
        let (buckets, lowest_censored) = distribution.take();
        Self {
            buckets: buckets.into_iter().collect(),
            lowest_censored,
        }
    }

    fn add_to(&self, distribution: &mut Distribution) {
        for (bucket, times) in self.buckets.iter() {
            distribution.record_bucket(bucket, times);
        }
        distribution.censor(self.lowest_censored);
    }

    fn merge(&mut self, part: &Self) {
        self.buckets.merge(&part.buckets);
        self.lowest_censored = lower(self.lowest_censored, part.lowest_censored);
    }

    fn insert(&mut self, (time, censored): (Duration, bool)) {
        let micros = Distribution::micros(time);
        self.buckets.insert(Distribution::bucket(micros));
        if censored {
            self.lowest_censored = lower(self.lowest_censored, Some(micros));
        }
    }
}

/// The latency of the requests that were due in these cells, right refusals apart.
impl<'a> FromIterator<&'a Cell> for Distribution {
    fn from_iter<I: IntoIterator<Item = &'a Cell>>(cells: I) -> Self {
        let mut distribution = Self::default();
        for cell in cells {
            cell.latency.add_to(&mut distribution);
        }
        distribution
    }
}
