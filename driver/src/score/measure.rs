//! The value of a measure.

use std::time::Duration;

use lab_load::{Cell, summary::Distribution};
use lab_record::Totals;

use crate::{
    observe::LOOK_STANDS_FOR,
    pauses::{self, Stretch},
    scenario::{Class, Measure, Observed, Recovery, Reference, Requests, Stat},
};

use super::{Measured, keys::Keys, records, seen};

/// Time is cut into windows of this length to see when a class is well again.
const RECOVERY_WINDOW: Duration = Duration::from_millis(500);

/// A window with less than this share of good answers counts as not recovered. Not all: at 10 req/s
/// a window holds 5 requests, and one hiccup of the machine must not decide.
const RECOVERED: f64 = 0.75;

/// What was measured, in the base unit of the measure's dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) value: f64,
    /// True where it is only a lower bound.
    pub(super) censored: bool,
}

impl Value {
    pub(super) fn exact(value: f64) -> Self {
        Self {
            value,
            censored: false,
        }
    }
}

/// The value of a measure; none where there is nothing to measure, or what there is makes no number.
pub(super) fn value(measure: &Measure, measured: &Measured) -> Option<Value> {
    computed(measure, measured).filter(|value| value.value.is_finite())
}

fn computed(measure: &Measure, measured: &Measured) -> Option<Value> {
    match measure {
        Measure::GoodShare(requests) => share(measured, requests, |cell| cell.good),
        Measure::OkShare(requests) => share(measured, requests, |cell| cell.due.ok),
        Measure::OkCount(requests) => {
            measured.class(&requests.class)?;
            let ok: u64 = measured.cells(requests).map(|(_, cell)| cell.due.ok).sum();
            Some(Value::exact(ok as f64 * measured.whole_of_left(requests)))
        }
        Measure::FailedCount(requests) => {
            measured.class(&requests.class)?;
            let failed = measured
                .cells(requests)
                .map(|(_, cell)| unserved(&cell.due));
            let failed: u64 = failed.sum();
            Some(Value::exact(
                failed as f64 * measured.whole_of_left(requests),
            ))
        }
        Measure::DistinctOk(requests) => {
            measured.class(&requests.class)?;
            let cells = measured.cells(requests);
            let keys: Keys = cells.flat_map(|(_, cell)| cell.answered()).collect();
            Some(Value::exact(
                keys.len() as f64 * measured.whole_of_left(requests),
            ))
        }
        Measure::SettledShare(requests) => records::settled_share(measured, requests),
        Measure::WrongReceipts(requests) => records::wrong_receipts(measured, requests),
        Measure::UnaskedReceipts(_) => records::unasked_receipts(measured),
        Measure::Undone(requests) => records::undone(measured, requests),
        Measure::WrongReplays(requests) => Some(records::wrong_replays(measured, requests)),
        Measure::Ledger(comparison) => records::disagreements(measured, comparison),
        Measure::Latency(latency) => {
            let requests = Requests {
                class: latency.class.clone(),
                phases: latency.phases.clone(),
            };
            measured.class(&latency.class)?;
            let cells: Vec<(Duration, &Cell)> = measured.cells(&requests).collect();
            let percentile = |cells: &[(Duration, &Cell)]| {
                let times: Distribution = cells.iter().map(|(_, cell)| *cell).collect();
                let quantile = times.percentile(latency.percentile)?;
                Some(Value {
                    value: quantile.ms,
                    censored: quantile.censored,
                })
            };
            if latency.peak {
                let seconds = cells.chunk_by(|(a, _), (b, _)| a.as_secs() == b.as_secs());
                seconds
                    .filter_map(percentile)
                    .max_by(|a, b| a.value.total_cmp(&b.value))
            } else {
                percentile(&cells)
            }
        }
        Measure::Recovery(recovery) => recovery_time(measured, recovery),
        Measure::Series(observed) => statistic(measured, observed).map(Value::exact),
        Measure::Ratio(pair) => {
            let (of, over) = (value(&pair.of, measured)?, value(&pair.over, measured)?);
            Some(Value {
                value: of.value / over.value,
                censored: of.censored,
            })
        }
        Measure::Difference(balance) => {
            let of = value(&balance.of, measured)?;
            let parts = balance
                .minus
                .iter()
                .map(|part| Some(value(part, measured)?.value));
            let parts: f64 = parts.sum::<Option<f64>>()?;
            Some(Value::exact(of.value - parts))
        }
        Measure::Manifest(setting) => measured.settings.get(setting).copied().map(Value::exact),
        Measure::Value(number) => Some(Value::exact(*number)),
    }
}

/// Whether a measure is about the keys of a class.
pub(super) fn needs_keys(measure: &Measure, class: &str) -> bool {
    match measure {
        Measure::DistinctOk(requests)
        | Measure::SettledShare(requests)
        | Measure::WrongReplays(requests) => requests.class.get_ref() == class,
        Measure::Ratio(pair) => needs_keys(&pair.of, class) || needs_keys(&pair.over, class),
        Measure::Difference(balance) => {
            let mut all = std::iter::once(&balance.of).chain(&balance.minus);
            all.any(|measure| needs_keys(measure, class))
        }
        Measure::GoodShare(_)
        | Measure::OkShare(_)
        | Measure::OkCount(_)
        | Measure::FailedCount(_)
        | Measure::WrongReceipts(_)
        | Measure::UnaskedReceipts(_)
        | Measure::Undone(_)
        | Measure::Ledger(_)
        | Measure::Latency(_)
        | Measure::Recovery(_)
        | Measure::Series(_)
        | Measure::Manifest(_)
        | Measure::Value(_) => false,
    }
}

/// Requests that had neither a wished answer nor a right refusal.
pub(super) fn unserved(due: &Totals) -> u64 {
    due.failed + due.timed_out + due.dropped
}

fn share(measured: &Measured, requests: &Requests, counted: fn(&Cell) -> u64) -> Option<Value> {
    measured.class(&requests.class)?;
    let cells = measured.cells(requests);
    let (counted, all) = cells.fold((0, 0), |(sum, all), (_, cell)| {
        (sum + counted(cell), all + cell.due.offered)
    });
    (all > 0).then(|| Value::exact(counted as f64 / all as f64))
}

/// The window after the end of a phase in which a moment lies.
pub(super) fn window(at: Duration, end: Duration) -> u64 {
    (at.saturating_sub(end).as_nanos() / RECOVERY_WINDOW.as_nanos()) as u64
}

/// From the end of the phase to the end of a window, in ms.
pub(super) fn window_end(index: u64) -> f64 {
    (index + 1) as f64 * RECOVERY_WINDOW.as_secs_f64() * 1e3
}

/// Whether a window is good enough, by its good answers and all its requests.
pub(super) fn is_well(good: u64, all: u64) -> bool {
    good as f64 >= RECOVERED * all as f64
}

/// From the end of the phase to the end of the last window that was not good enough; 0 where all
/// were. Where the very last window is bad, the class never recovered while anybody looked.
fn recovery_time(measured: &Measured, recovery: &Recovery) -> Option<Value> {
    measured.class(&recovery.class)?;
    let (_, end) = measured.span(&recovery.after)?;
    let requests = Requests {
        class: recovery.class.clone(),
        phases: Vec::new(),
    };
    let after: Vec<(u64, &Cell)> = measured
        .cells(&requests)
        .filter(|(at, _)| *at >= end)
        .map(|(at, cell)| (window(at, end), cell))
        .collect();
    let windows: Vec<(u64, bool)> = after
        .chunk_by(|(a, _), (b, _)| a == b)
        .map(|cells| {
            let sum = |count: fn(&Cell) -> u64| -> u64 {
                cells.iter().map(|(_, cell)| count(cell)).sum()
            };
            let (good, all) = (sum(|cell| cell.good), sum(|cell| cell.due.offered));
            (cells[0].0, is_well(good, all))
        })
        .collect();
    let (last, _) = windows.last()?;
    let bad = windows.iter().rev().find(|(_, good)| !good);
    Some(bad.map_or(Value::exact(0.0), |(index, _)| Value {
        value: window_end(*index),
        censored: index == last,
    }))
}

fn statistic(measured: &Measured, observed: &Observed) -> Option<f64> {
    let series = measured.series(observed)?;
    let all = measured.stretches_of_all(&observed.phases);
    // How long it would be, where something of it is left out.
    let whole = |all: &[Stretch]| {
        let disturbed = !measured.disturbed.is_empty();
        disturbed.then(|| all.iter().map(Stretch::length).sum())
    };
    let Some(parts) = observed.least_of else {
        let left = measured.stretches(&observed.phases, LOOK_STANDS_FOR);
        return statistic_of(series, &left, whole(&all), observed.stat);
    };
    let parts = all.into_iter().flat_map(|span| cut(span, parts.get()));
    let left = parts.map(|part| {
        let left = pauses::apart(&[part], measured.disturbed, LOOK_STANDS_FOR);
        (part, left)
    });
    // A part in which nothing was seen is no part in which all was well; one of which nothing is left is none.
    let each: Option<Vec<f64>> = left
        .filter(|(_, left)| !left.is_empty())
        .map(|(part, left)| statistic_of(series, &left, whole(&[part]), observed.stat))
        .collect();
    each?.into_iter().reduce(f64::min)
}

/// A span in so many equal parts.
fn cut(span: Stretch, parts: u32) -> impl Iterator<Item = Stretch> {
    let edge = move |n: u32| span.from + span.length() * n / parts;
    (0..parts).map(move |n| Stretch {
        from: edge(n),
        to: edge(n + 1),
    })
}

/// A statistic of the stretches that are `left` of what is `whole`, where they are not all of it.
fn statistic_of(
    series: &lab_record::Series,
    left: &[Stretch],
    whole: Option<Duration>,
    stat: Stat,
) -> Option<f64> {
    let within = |stretch: &Stretch| {
        let stretch = *stretch;
        let points = series.points.iter().copied();
        points.filter(move |(at, _)| stretch.contains(seen::moment(*at)))
    };
    let values: Vec<f64> = left
        .iter()
        .flat_map(within)
        .map(|(_, value)| value)
        .collect();
    let (first, last) = (*values.first()?, *values.last()?);
    Some(match stat {
        Stat::Mean => values.iter().sum::<f64>() / values.len() as f64,
        Stat::Min => values.iter().copied().fold(first, f64::min),
        Stat::Max => values.iter().copied().fold(first, f64::max),
        Stat::Median => {
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            sorted[(sorted.len() - 1) / 2]
        }
        Stat::First => first,
        Stat::Last => last,
        Stat::Growth => match whole {
            None => last - first,
            Some(whole) => {
                return growth(left.iter().map(|stretch| within(stretch).collect()), whole);
            }
        },
    })
}

/// What a total grows by in `whole`, at the pace that it has in these stretches of it.
fn growth(stretches: impl Iterator<Item = Vec<(f64, f64)>>, whole: Duration) -> Option<f64> {
    let (mut grown, mut time) = (0.0, 0.0);
    for points in stretches {
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            time += last.0 - first.0;
            grown += last.1 - first.1;
        }
    }
    (time > 0.0).then(|| grown / time * whole.as_secs_f64())
}

impl<'a> Measured<'a> {
    pub(super) fn class(&self, name: &Reference) -> Option<&'a Class> {
        self.scenario
            .classes
            .iter()
            .find(|class| class.name == *name.get_ref())
    }

    fn span(&self, phase: &Reference) -> Option<(Duration, Duration)> {
        let mut spans = self.scenario.spans();
        let (_, start, end) = spans.find(|(known, ..)| known.name == *phase.get_ref())?;
        Some((start, end))
    }

    pub(super) fn spans(&self, phases: &[Reference]) -> Vec<(Duration, Duration)> {
        phases.iter().filter_map(|phase| self.span(phase)).collect()
    }

    /// The series that a measure is of.
    pub(super) fn series(&self, observed: &Observed) -> Option<&'a lab_record::Series> {
        let id = observed.id.get_ref();
        self.series.iter().find(|series| series.id == *id)
    }

    /// The phases, or without any the whole time, and of that what is judged: without what was disturbed and the
    /// time `before` each.
    pub(super) fn stretches(&self, phases: &[Reference], before: Duration) -> Vec<Stretch> {
        let spans = if phases.is_empty() {
            vec![(Duration::ZERO, Duration::MAX)]
        } else {
            self.spans(phases)
        };
        let spans: Vec<Stretch> = spans
            .into_iter()
            .map(|(from, to)| Stretch { from, to })
            .collect();
        pauses::apart(&spans, self.disturbed, before)
    }

    /// The phases, or without any the time of the load.
    fn stretches_of_all(&self, phases: &[Reference]) -> Vec<Stretch> {
        let of = |(from, to)| Stretch { from, to };
        if phases.is_empty() {
            vec![of((Duration::ZERO, self.scenario.duration()))]
        } else {
            self.spans(phases).into_iter().map(of).collect()
        }
    }

    /// By what a count of what is left must be multiplied to stand for the whole; 1 where nothing was disturbed.
    fn whole_of_left(&self, requests: &Requests) -> f64 {
        let all = self.stretches_of_all(&requests.phases);
        let left = self.whole(pauses::apart(&all, self.disturbed, self.before(requests)));
        let time =
            |stretches: &[Stretch]| -> Duration { stretches.iter().map(Stretch::length).sum() };
        let (all, left) = (time(&all), time(&left));
        if left.is_zero() {
            1.0
        } else {
            all.div_duration_f64(left)
        }
    }

    /// Requests that began so long before a pause would have been well without it, had they been quick enough; slower
    /// ones were late already.
    fn before(&self, requests: &Requests) -> Duration {
        self.class(&requests.class)
            .map_or(Duration::ZERO, |class| class.slo)
    }

    /// What is whole cells of what is judged. The phases are. Of what is left between the disturbed stretches, whose ends
    /// nobody knows to the millisecond, a cell at either end is given up.
    fn whole(&self, stretches: Vec<Stretch>) -> Vec<Stretch> {
        let whole = |stretch: Stretch| {
            let whole = self.cells.whole(stretch.from..stretch.to);
            Stretch {
                from: whole.start,
                to: whole.end,
            }
        };
        stretches.into_iter().map(whole).collect()
    }

    /// The cells of a class in which requests were due that count: in the phases, in order, each with its start.
    pub(super) fn cells(
        &self,
        requests: &Requests,
    ) -> impl Iterator<Item = (Duration, &'a Cell)> + use<'a> {
        let classes = &self.scenario.classes;
        let name = requests.class.get_ref();
        let class = classes.iter().position(|class| class.name == *name);
        let stretches = self.whole(self.stretches(&requests.phases, self.before(requests)));
        let cells = class.map(|class| self.cells.of(class));
        cells
            .into_iter()
            .flatten()
            .filter(move |(of, cell)| {
                cell.due.offered > 0 && stretches.iter().any(|stretch| stretch.contains(of.start))
            })
            .map(|(of, cell)| (of.start, cell))
    }
}
