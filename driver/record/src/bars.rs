//! How times are spread, as a picture wants it: a bar for each length, ten to a decade.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// Bars to a decade: a bar is a quarter longer than the one before.
const A_DECADE: f64 = 10.0;

/// Counts of times by their length. Bar `n` has those from 10^(n ÷ 10) ms to below 10^((n + 1) ÷ 10) ms; what took less than
/// a microsecond counts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Bars(BTreeMap<i32, u64>);

impl Bars {
    /// Takes in a time.
    pub fn add(&mut self, time: Duration) {
        let ms = time.as_micros().max(1) as f64 / 1e3;
        let bar = (ms.log10() * A_DECADE).floor() as i32;
        *self.0.entry(bar).or_default() += 1;
    }

    /// Takes in all of others.
    pub fn merge(&mut self, others: &Self) {
        for (bar, count) in &others.0 {
            *self.0.entry(*bar).or_default() += count;
        }
    }

    /// The bars that have something in them, from the shortest times on: where each begins and ends, in ms, and its count.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64, u64)> {
        let start = |bar: i32| 10f64.powf(f64::from(bar) / A_DECADE);
        let bars = self.0.iter();
        bars.map(move |(bar, count)| (start(*bar), start(bar + 1), *count))
    }

    /// How many times there are in all of them.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bar_that_holds_it() {
        let micros = [
            0, 1, 999, 1000, 1258, 1259, 10_000, 99_999, 100_000, 10_000_000,
        ];
        for micros in micros {
            let mut bars = Bars::default();
            bars.add(Duration::from_micros(micros));
            let (from, to, count) = bars.iter().next().unwrap();
            let ms = micros.max(1) as f64 / 1e3;
            // Ends are powers of ten in floats.
            assert!(
                from <= ms * (1.0 + 1e-9) && ms < to * (1.0 + 1e-9),
                "{micros}: {from} {to}"
            );
            assert_eq!((count, bars.count()), (1, 1));
        }
    }

    #[test]
    fn bars_add_up_and_say_so_in_json() {
        let mut bars = Bars::default();
        for ms in [1, 1, 500] {
            bars.add(Duration::from_millis(ms));
        }
        let mut both = bars.clone();
        both.merge(&bars);
        assert_eq!(both.count(), 6);
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(json, r#"{"0":4,"26":2}"#);
        assert_eq!(serde_json::from_str::<Bars>(&json).unwrap(), both);
    }
}
