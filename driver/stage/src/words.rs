//! A stage in words. `stage.js` says the same.

use lab_record::{Frame, Gauge, Stage, StagePart};

/// What stands for a number that was not seen.
const UNSEEN: &str = "?";

/// A number for people: whole, or with one digit after the point where it is small.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => UNSEEN.to_owned(),
        Some(value) if value < 10.0 => ((value * 10.0).round() / 10.0).to_string(),
        Some(value) => value.round().to_string(),
    }
}

/// The value of a part.
pub(crate) fn of(frame: &Frame, part: &StagePart) -> Option<f64> {
    frame.values.get(&part.id).copied()
}

/// How many places are taken, of how many.
pub(crate) fn places(stage: &Stage, frame: &Frame) -> String {
    let places = frame.values.get(Stage::PLACES).copied();
    let taken = frame.sum(&stage.taken);
    format!("{} of {} {}", number(taken), number(places), stage.place)
}

/// How many wait.
pub(crate) fn waiting(stage: &Stage, frame: &Frame) -> String {
    format!("{} {}", number(frame.sum(&stage.line)), stage.waiting)
}

/// A part with its number.
pub(crate) fn counted(frame: &Frame, part: &StagePart) -> String {
    format!("{} {}", number(of(frame, part)), part.label)
}

/// A part that is a rate.
pub(crate) fn rate(frame: &Frame, part: &StagePart) -> String {
    format!("{} a second {}", number(of(frame, part)), part.label)
}

/// A level with its unit.
pub(crate) fn level(frame: &Frame, gauge: &Gauge) -> String {
    let value = frame.values.get(&gauge.id).copied();
    format!("{} {}", number(value), gauge.unit)
}

/// The bound of a gauge with its name.
pub(crate) fn bound(frame: &Frame, gauge: &Gauge) -> String {
    let bound = frame.values.get(&gauge.bound_id()).copied();
    format!("{} {}", gauge.bound_label, number(bound))
}

pub(crate) fn headline(stage: &Stage, frame: &Frame) -> String {
    let mut said = vec![places(stage, frame)];
    if stage.line.is_empty() {
        said.extend(stage.refused.iter().map(|part| rate(frame, part)));
    } else {
        said.push(waiting(stage, frame));
    }
    said.join(", ")
}

pub(crate) fn all(stage: &Stage, frame: &Frame) -> String {
    let mut sentences = vec![list(places(stage, frame), &stage.taken, frame)];
    if !stage.line.is_empty() {
        sentences.push(list(waiting(stage, frame), &stage.line, frame));
    }
    sentences.extend(stage.refused.iter().map(|part| rate(frame, part)));
    sentences.extend(stage.gauges.iter().map(|gauge| {
        let (level, bound) = (level(frame, gauge), bound(frame, gauge));
        format!("{}: {level}, {bound}", gauge.label)
    }));
    sentences.join(". ") + "."
}

/// What something is made of.
fn list(whole: String, parts: &[StagePart], frame: &Frame) -> String {
    let parts: Vec<String> = parts.iter().map(|part| counted(frame, part)).collect();
    if parts.is_empty() {
        whole
    } else {
        format!("{whole}: {}", parts.join(", "))
    }
}
