//! The stage: a run's bounded resource with its places, what occupies them, who waits for one and who is refused. It is
//! made of the run's series and of nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Finite, Run};

/// How long a value stands for what was not seen since, seconds: ten looks. After that nobody knows.
const FRESH_S: f64 = 1.0;

/// What part of the most is nearly as many.
const NEARLY: f64 = 0.9;

/// What a stage shows, as its scenario says. Ids are unique within it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stage {
    /// For people: which resource.
    pub title: String,
    /// What its places are and what it is to have one, after "16 of 16": `slots taken`.
    pub place: String,
    /// What a place is that nothing occupies.
    pub free: String,
    /// How many there are.
    pub places: Level,
    /// What occupies places, in the order in which it is drawn.
    pub taken: Vec<Part>,
    /// What the line does, after its length: `wait outside`.
    pub waiting: String,
    /// Who waits, by class or kind.
    pub line: Vec<Part>,
    /// What is turned away, a second.
    pub refused: Vec<Part>,
    /// Levels against their bounds.
    pub gauges: Vec<Gauge>,
}

/// Some of a stage that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Part {
    /// Unique name.
    pub id: String,
    /// For people, after their number.
    pub label: String,
    /// How they are drawn.
    pub ink: Ink,
    /// The series that counts them, by id.
    pub series: String,
}

/// How something on a stage is drawn: a colour, and a mark for who sees none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ink {
    /// Does its work.
    Work,
    /// Holds a place and gets nowhere.
    Stuck,
    /// Waits.
    Wait,
    /// Has no part in the fault.
    Bystander,
    /// Is turned away.
    Refused,
    /// Will be of use.
    Starting,
    /// Was of use.
    Leaving,
}

impl Ink {
    /// As it stands in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Stuck => "stuck",
            Self::Wait => "wait",
            Self::Bystander => "bystander",
            Self::Refused => "refused",
            Self::Starting => "starting",
            Self::Leaving => "leaving",
        }
    }
}

/// A level and what bounds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gauge {
    /// Unique name.
    pub id: String,
    /// For people.
    pub label: String,
    /// Unit of both.
    pub unit: String,
    /// The level.
    pub level: Scaled,
    /// For people: what the bound is.
    pub bound_label: String,
    /// The bound.
    pub bound: Level,
}

/// The values of a series, in another unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scaled {
    /// Which series, by id.
    pub series: String,
    /// Multiplied with each value.
    pub times: Finite,
}

/// A number that a stage needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It never changes.
    Value(Finite),
    /// It is measured.
    Measured(Scaled),
}

/// What is seen on a stage at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// When, seconds since the load started.
    pub t_s: f64,
    /// By the id of a part or gauge, with [`Stage::PLACES`] and [`Gauge::bound_id`]; what was not seen is not there.
    pub values: BTreeMap<String, f64>,
}

impl Frame {
    /// All of some parts together; none where one of them was not seen.
    pub fn sum(&self, parts: &[Part]) -> Option<f64> {
        let values = parts.iter().map(|part| self.values.get(&part.id));
        values.sum()
    }
}

impl Scaled {
    fn value(&self, of: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        Some(of(&self.series)? * self.times.get())
    }
}

impl Level {
    fn value(&self, of: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        match self {
            Self::Value(value) => Some(value.get()),
            Self::Measured(scaled) => scaled.value(of),
        }
    }
}

impl Gauge {
    /// Under which name a frame has its bound.
    pub fn bound_id(&self) -> String {
        format!("{}.bound", self.id)
    }
}

impl Stage {
    /// Under which name a frame has the number of places.
    pub const PLACES: &str = "places";

    /// What it shows where `of` gives the value of a series.
    pub fn values(&self, of: impl Fn(&str) -> Option<f64>) -> BTreeMap<String, f64> {
        let places = (Self::PLACES.to_owned(), self.places.value(&of));
        let parts = self.taken.iter().chain(&self.line).chain(&self.refused);
        let parts = parts.map(|part| (part.id.clone(), of(&part.series)));
        let gauges = self.gauges.iter().flat_map(|gauge| {
            [
                (gauge.id.clone(), gauge.level.value(&of)),
                (gauge.bound_id(), gauge.bound.value(&of)),
            ]
        });
        let all = std::iter::once(places).chain(parts).chain(gauges);
        all.filter_map(|(id, value)| Some((id, value?))).collect()
    }

    /// Which frame was the worst: of those at which the line was nearly as long as it ever was, or, where nobody ever waited
    /// for a place, nearly the most were refused a second, the one with the most places taken; and among those the one with the most of
    /// either. At the most itself somebody may just have left. None of none.
    pub fn worst_of(&self, frames: &[Frame]) -> Option<usize> {
        let all = |frame: &Frame, parts: &[Part]| -> f64 {
            let seen = parts.iter().filter_map(|part| frame.values.get(&part.id));
            seen.sum()
        };
        // While places are free nobody waits for one: who is seen in line is on the way in.
        let is_full = |frame: &Frame| {
            let places = frame.values.get(Self::PLACES);
            places.is_none_or(|places| all(frame, &self.taken) >= NEARLY * places)
        };
        let waits = |frame: &Frame| {
            if is_full(frame) {
                all(frame, &self.line)
            } else {
                0.0
            }
        };
        let some_wait = frames.iter().any(|frame| waits(frame) > 0.0);
        let unserved = |frame: &Frame| {
            if some_wait {
                waits(frame)
            } else {
                all(frame, &self.refused)
            }
        };
        let most = frames.iter().map(unserved).fold(0.0, f64::max);
        let bad = frames.iter().enumerate();
        let bad = bad.filter(|(_, frame)| unserved(frame) >= NEARLY * most);
        let worst = bad.reduce(|worst, frame| {
            let misery = |frame: &Frame| (all(frame, &self.taken), unserved(frame));
            let worse = misery(frame.1) > misery(worst.1);
            if worse { frame } else { worst }
        });
        worst.map(|(index, _)| index)
    }

    /// The series whose points are the moments at which there is something else to see.
    fn paces(&self, series: &str) -> bool {
        let mut parts = self.taken.iter().chain(&self.line);
        parts.any(|part| part.series == series)
    }
}

impl Run {
    /// What its stage shows at a moment: of each series the last point at or before it, where that is no older than a
    /// second.
    pub fn frame_at(&self, t_s: f64) -> Option<Frame> {
        let values = self.stage.as_ref()?.values(|id| {
            let series = self.series.iter().find(|series| series.id == id)?;
            let later = series.points.partition_point(|(at, _)| *at <= t_s);
            let (at, value) = series.points.get(later.checked_sub(1)?)?;
            (t_s - at <= FRESH_S).then_some(*value)
        });
        Some(Frame { t_s, values })
    }

    /// Each moment at which it was looked at what its stage shows, in order.
    pub fn frames(&self) -> Vec<Frame> {
        let Some(stage) = &self.stage else {
            return Vec::new();
        };
        let pacing = self.series.iter().filter(|series| stage.paces(&series.id));
        let mut moments: Vec<f64> = pacing
            .flat_map(|series| series.points.iter().map(|(at, _)| *at))
            .collect();
        moments.sort_by(f64::total_cmp);
        moments.dedup();
        let frames = moments.into_iter().filter_map(|at| self.frame_at(at));
        frames.collect()
    }

    /// When it was worst.
    pub fn worst_moment(&self) -> Option<Frame> {
        let (stage, frames) = (self.stage.as_ref()?, self.frames());
        Some(frames[stage.worst_of(&frames)?].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str) -> Part {
        Part {
            id: id.to_owned(),
            label: id.to_owned(),
            ink: Ink::Work,
            series: id.to_owned(),
        }
    }

    fn stage(line: &[&str]) -> Stage {
        Stage {
            title: "Places".to_owned(),
            place: "taken".to_owned(),
            free: "free".to_owned(),
            places: Level::Value(Finite::from(6)),
            taken: ["available", "leaving"].map(part).into(),
            waiting: "wait".to_owned(),
            line: line.iter().map(|id| part(id)).collect(),
            refused: vec![part("failed")],
            gauges: Vec::new(),
        }
    }

    /// Frames a second apart, each with its values in the order of the ids.
    fn frames<const N: usize>(ids: [&str; N], seen: &[[f64; N]]) -> Vec<Frame> {
        let values = |of: &[f64; N]| ids.into_iter().map(str::to_owned).zip(*of).collect();
        let at = (0..).map(f64::from);
        at.zip(seen)
            .map(|(t_s, of)| Frame {
                t_s,
                values: values(of),
            })
            .collect()
    }

    /// The starter of step 6: the most replicas are there while one leaves and nothing fails yet.
    #[test]
    fn a_roll_is_at_its_worst_when_most_fail() {
        let roll = [
            [3.0, 0.0, 0.0],
            [3.0, 1.0, 0.0],
            [3.0, 0.0, 24.0],
            [3.0, 1.0, 22.0],
            [3.0, 1.0, 10.0],
        ];
        let frames = frames(["available", "leaving", "failed"], &roll);
        assert_eq!(stage(&[]).worst_of(&frames), Some(3));
    }

    #[test]
    fn a_roll_in_which_nothing_fails_is_at_its_worst_with_most_places_taken() {
        let roll = [[3.0, 0.0, 0.0], [3.0, 2.0, 0.0], [3.0, 1.0, 0.0]];
        let frames = frames(["available", "leaving", "failed"], &roll);
        assert_eq!(stage(&[]).worst_of(&frames), Some(1));
    }

    /// Gauges are read one after the other: on a stage with room somebody is seen in line now and then.
    #[test]
    fn whoever_is_seen_in_line_while_places_are_free_waits_for_none() {
        let seen = [
            [1.0, 2.0, 0.0, 6.0],
            [2.0, 0.0, 6.0, 6.0],
            [3.0, 0.0, 0.0, 6.0],
        ];
        let with_places =
            |seen: &[[f64; 4]]| frames(["available", "first", "failed", Stage::PLACES], seen);
        let stage = stage(&["first"]);
        assert_eq!(stage.worst_of(&with_places(&seen)), Some(1));
        let full = [seen[0], seen[1], [6.0, 1.0, 0.0, 6.0]];
        assert_eq!(stage.worst_of(&with_places(&full)), Some(2));
    }

    /// A line is what a stage is about, whoever is refused when; what was not seen of it hides nothing else of it.
    #[test]
    fn where_somebody_waits_the_longest_line_is_the_worst() {
        let seen = [[4.0, 500.0, 0.0], [4.0, 290.0, 290.0], [4.0, 0.0, 400.0]];
        let mut frames = frames(["available", "first", "failed"], &seen);
        let stage = stage(&["first", "again"]);
        assert_eq!(stage.worst_of(&frames), Some(0));
        frames[0].values.clear();
        assert_eq!(stage.worst_of(&frames), Some(1));
        assert_eq!(stage.worst_of(&[]), None);
    }
}
