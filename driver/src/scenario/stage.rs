//! What a scenario says of its stage, and what a run makes of it.

use lab_record::{Finite, Ink, Level, Scaled, StagePart};
use serde::Deserialize;

use super::{BoundValue, Reference, Settings, one, units};

/// Series that each run has of its load, by id, and each tick as well.
pub(super) const OF_THE_LOAD: [&str; 3] = ["offered", "ok", "failed"];

/// The bounded resource of a scenario: see [`lab_record::Stage`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// For people: which resource.
    pub title: String,
    /// What its places are, after "16 of 16": `slots taken`.
    pub place: String,
    /// What a place is that nothing occupies.
    #[serde(default = "free")]
    pub free: String,
    /// How many there are.
    pub places: Places,
    /// What occupies places.
    #[serde(default)]
    pub taken: Vec<Part>,
    /// What the line does, after its length: `wait outside`.
    #[serde(default = "waiting")]
    pub waiting: String,
    /// Who waits.
    #[serde(default)]
    pub line: Vec<Part>,
    /// What is turned away, a rate.
    #[serde(default)]
    pub refused: Vec<Part>,
    /// Levels against their bounds.
    #[serde(default)]
    pub gauges: Vec<Gauge>,
}

fn free() -> String {
    "free".to_owned()
}

fn waiting() -> String {
    "wait outside".to_owned()
}

/// A number of places: one of the two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// Measured.
    pub series: Option<Reference>,
    /// Known.
    pub value: Option<BoundValue>,
}

/// Some that are counted together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Unique within the stage.
    pub id: String,
    /// For people, after their number.
    pub label: String,
    /// How they are drawn.
    pub ink: Ink,
    /// What counts them.
    pub series: Reference,
}

/// A level and what bounds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gauge {
    /// Unique within the stage.
    pub id: String,
    /// For people.
    pub label: String,
    /// Unit of both.
    pub unit: String,
    /// The level.
    pub series: Reference,
    /// Multiplied with each of its values.
    #[serde(default = "one", deserialize_with = "units::finite")]
    pub times: f64,
    /// What it should not go beyond.
    pub bound: GaugeBound,
}

/// The bound of a gauge: a series or a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaugeBound {
    /// For people.
    pub label: String,
    /// Measured.
    pub series: Option<Reference>,
    /// Multiplied with each value that is measured.
    #[serde(default = "one", deserialize_with = "units::finite")]
    pub times: f64,
    /// Known.
    pub value: Option<BoundValue>,
}

/// Where a number comes from: one of the two, if the scenario is in order.
pub(super) type LevelOf<'a> = (Option<&'a Reference>, Option<BoundValue>);

impl Places {
    pub(super) fn level(&self) -> LevelOf<'_> {
        (self.series.as_ref(), self.value)
    }
}

impl GaugeBound {
    pub(super) fn level(&self) -> LevelOf<'_> {
        (self.series.as_ref(), self.value)
    }
}

impl Stage {
    /// Its ids, each with its array in the file and its place there.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&'static str, usize, &str)> {
        let parts = [
            ("stage.taken", &self.taken),
            ("stage.line", &self.line),
            ("stage.refused", &self.refused),
        ];
        let parts = parts.into_iter().flat_map(|(array, parts)| {
            let ids = parts.iter().map(|part| part.id.as_str()).enumerate();
            ids.map(move |(index, id)| (array, index, id))
        });
        let gauges = self.gauges.iter().map(|gauge| gauge.id.as_str());
        parts.chain(
            gauges
                .enumerate()
                .map(|(index, id)| ("stage.gauges", index, id)),
        )
    }

    /// The series that it names.
    pub(super) fn series(&self) -> impl Iterator<Item = &Reference> {
        let parts = self.taken.iter().chain(&self.line).chain(&self.refused);
        let gauges = self.gauges.iter();
        let gauges = gauges.flat_map(|gauge| [Some(&gauge.series), gauge.bound.series.as_ref()]);
        let all = parts.map(|part| &part.series).chain(gauges.flatten());
        all.chain(&self.places.series)
    }

    /// As a run has it, whose manifests say what the scenario leaves to them; none where they leave open how many places
    /// there are.
    pub fn record(&self, settings: &Settings) -> Option<lab_record::Stage> {
        let gauges = self.gauges.iter().filter_map(|gauge| {
            Some(lab_record::Gauge {
                id: gauge.id.clone(),
                label: gauge.label.clone(),
                unit: gauge.unit.clone(),
                level: scaled(&gauge.series, gauge.times)?,
                bound_label: gauge.bound.label.clone(),
                bound: level(gauge.bound.level(), gauge.bound.times, settings)?,
            })
        });
        Some(lab_record::Stage {
            title: self.title.clone(),
            place: self.place.clone(),
            free: self.free.clone(),
            places: level(self.places.level(), 1.0, settings)?,
            taken: self.taken.iter().map(Part::record).collect(),
            waiting: self.waiting.clone(),
            line: self.line.iter().map(Part::record).collect(),
            refused: self.refused.iter().map(Part::record).collect(),
            gauges: gauges.collect(),
        })
    }
}

impl Part {
    fn record(&self) -> StagePart {
        StagePart {
            id: self.id.clone(),
            label: self.label.clone(),
            ink: self.ink,
            series: self.series.get_ref().clone(),
        }
    }
}

fn scaled(series: &Reference, times: f64) -> Option<Scaled> {
    Some(Scaled {
        series: series.get_ref().clone(),
        times: Finite::new(times)?,
    })
}

fn level((series, value): LevelOf<'_>, times: f64, settings: &Settings) -> Option<Level> {
    match (series, value) {
        (Some(series), _) => scaled(series, times).map(Level::Measured),
        (None, Some(value)) => Some(Level::Value(Finite::new(value.resolve(settings)?)?)),
        (None, None) => None,
    }
}
