//! Whether the looks at a series are enough to say something of it. What nobody could see does not hold.

use std::time::Duration;

use crate::{
    observe::LOOK_STANDS_FOR,
    pauses::Stretch,
    scenario::{Measure, Observed, Stat},
};

use super::Measured;

/// Share of the time in which a series must have been seen for its mean, its median or its extremes. A crash that is
/// part of a scenario hides a service for a second or two of a phase; more than a fifth of it may hide anything.
const SHARE: f64 = 0.8;

/// The longest stretch in which nobody may have seen it: longer than what the scenarios tell apart, and a tenth of a
/// long phase, as on a cluster, where a look can fail for reasons of its own.
const GAP: (Duration, f64) = (Duration::from_secs(2), 0.1);

/// A first and a last value, and what a total grew by, need a look this near to the ends and none in between.
const NEAR: Duration = Duration::from_secs(1);

/// Why a measure says nothing, where a series that it needs was not seen well enough.
pub(super) fn unseen(measure: &Measure, measured: &Measured) -> Option<String> {
    match measure {
        Measure::Series(observed) => series(observed, measured),
        Measure::Ratio(pair) => unseen(&pair.of, measured).or_else(|| unseen(&pair.over, measured)),
        Measure::Difference(balance) => {
            let mut all = std::iter::once(&balance.of).chain(&balance.minus);
            all.find_map(|measure| unseen(measure, measured))
        }
        _ => None,
    }
}

fn series(observed: &Observed, measured: &Measured) -> Option<String> {
    let points = measured.series(observed)?.points.iter().map(|(at, _)| *at);
    let last_look = moment(*measured.looks.last()?);
    let spans = measured.stretches(&observed.phases, LOOK_STANDS_FOR);
    // Without phases it is all that was looked at.
    let spans: Vec<Stretch> = spans
        .into_iter()
        .map(|span| Stretch {
            to: span.to.min(last_look),
            ..span
        })
        .collect();
    let seen = seen(measured.looks, points);
    match observed.stat {
        Stat::Mean | Stat::Min | Stat::Max | Stat::Median => throughout(&spans, &seen),
        Stat::First => at_start(&spans, &seen),
        Stat::Last => at_end(&spans, &seen),
        Stat::Growth => at_start(&spans, &seen).or_else(|| at_end(&spans, &seen)),
    }
}

/// The stretches that looks with a point stand for.
fn seen(looks: &[f64], points: impl Iterator<Item = f64>) -> Vec<Stretch> {
    let mut points = points.peekable();
    let mut seen: Vec<Stretch> = Vec::new();
    for (n, look) in looks.iter().enumerate() {
        while points.next_if(|point| point < look).is_some() {}
        if points.peek() != Some(look) {
            continue;
        }
        let from = moment(*look);
        let stands = from + LOOK_STANDS_FOR;
        let to = looks
            .get(n + 1)
            .map_or(stands, |next| moment(*next).min(stands));
        match seen.last_mut() {
            Some(last) if last.to >= from => last.to = to,
            _ => seen.push(Stretch { from, to }),
        }
    }
    seen
}

fn throughout(spans: &[Stretch], seen: &[Stretch]) -> Option<String> {
    let all: Duration = spans.iter().map(Stretch::length).sum();
    let gaps = spans
        .iter()
        .flat_map(|span| crate::pauses::apart(&[*span], seen, Duration::ZERO));
    let gaps: Vec<Duration> = gaps.map(|gap| gap.length()).collect();
    let unseen: Duration = gaps.iter().sum();
    let longest = gaps.into_iter().max().unwrap_or_default();
    if all.is_zero() {
        return None;
    }
    let share = all.saturating_sub(unseen).div_duration_f64(all);
    if share < SHARE {
        Some(format!(
            "seen in {:.0} % of the time",
            (share * 100.0).floor()
        ))
    } else if longest > GAP.0.max(all.mul_f64(GAP.1)) {
        Some(format!("not seen for {:.1} s", longest.as_secs_f64()))
    } else {
        None
    }
}

fn at_start(spans: &[Stretch], seen: &[Stretch]) -> Option<String> {
    let start = spans.first()?.from;
    let near = seen
        .iter()
        .any(|seen| seen.to > start && seen.from <= start + NEAR);
    (!near).then(|| "not seen at the start".to_owned())
}

fn at_end(spans: &[Stretch], seen: &[Stretch]) -> Option<String> {
    let end = spans.last()?.to;
    let near = seen
        .iter()
        .any(|seen| seen.from <= end && seen.to + NEAR > end);
    (!near).then(|| "not seen at the end".to_owned())
}

/// As an offset from the start; what lies before it is at the start.
pub(super) fn moment(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
