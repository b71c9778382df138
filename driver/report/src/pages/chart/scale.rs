//! From values to places: axes, their ends and their ticks.

/// Times that spread over more than this are drawn on a logarithmic axis: a fault lifts latency by
/// orders of magnitude, and a linear axis would show the healthy part as a flat line.
const LOGARITHMIC_SPREAD: f64 = 50.0;

/// A logarithmic axis covers no more than this, else one tiny value would press all others together;
/// what is smaller stands at its foot.
const WIDEST_SPREAD: f64 = 1e7;

/// Values beyond this stand at the edge, so that no difference of two of them is infinite.
const LARGEST: f64 = 1e300;

/// The axis of values, upwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Even steps from `low` to `high`.
    Linear {
        /// The bottom.
        low: f64,
        /// The top.
        high: f64,
        /// Between two ticks.
        step: f64,
    },
    /// Even ratios from `low` to `high`.
    Logarithmic {
        /// The bottom, above 0.
        low: f64,
        /// The top.
        high: f64,
    },
}

impl Scale {
    /// The axis that shows `values`, all finite. Only times may become logarithmic.
    pub(crate) fn fit(values: impl Iterator<Item = f64> + Clone, unit: &str) -> Self {
        let values = values
            .filter(|value| value.is_finite())
            .map(|value| value.clamp(-LARGEST, LARGEST));
        let top = values.clone().fold(0.0, f64::max);
        let bottom = values.clone().fold(0.0, f64::min);
        let smallest = values
            .filter(|value| *value > 0.0)
            .fold(f64::INFINITY, f64::min);
        if matches!(unit, "ms" | "s") && bottom >= 0.0 && top > smallest * LOGARITHMIC_SPREAD {
            return Self::Logarithmic {
                low: round_down(smallest.max(top / WIDEST_SPREAD)),
                high: round_up(top),
            };
        }
        let step = nice_step(top - bottom, 4.0);
        Self::Linear {
            low: (bottom / step).floor() * step,
            high: ((top / step).ceil() * step).max(step),
            step,
        }
    }

    /// Where a value stands: 0 at the bottom, 1 at the top; what lies beyond stands at the edge.
    pub(crate) fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear { low, high, .. } => (value - low) / (high - low),
            Self::Logarithmic { low, high } if value > low => {
                (value / low).ln() / (high / low).ln()
            }
            Self::Logarithmic { .. } => 0.0,
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that get a grid line and a label, from the bottom up.
    pub(crate) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { low, high, step } => {
                let count = ((high - low) / step).round() as i32;
                (0..=count).map(|n| low + f64::from(n) * step).collect()
            }
            Self::Logarithmic { low, high } => {
                let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
                let inside = |tick: &f64| (low * 0.999..=high * 1.001).contains(tick);
                // More decades leave no room for a label each.
                let every = if last - first > 7 { 2 } else { 1 };
                (first..=last)
                    .step_by(every)
                    .map(|power| 10f64.powi(power))
                    .filter(inside)
                    .collect()
            }
        }
    }

    /// True where equal steps mean equal ratios.
    pub(crate) fn is_logarithmic(self) -> bool {
        matches!(self, Self::Logarithmic { .. })
    }
}

/// The axis of time, from 0 to the right, cut into slices that can be pointed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeAxis {
    /// The right end, seconds.
    pub(crate) end: f64,
    /// Width of a slice, seconds.
    pub(crate) slice: f64,
    /// How many slices there are.
    pub(crate) slices: usize,
}

impl TimeAxis {
    /// More slices than this are neither easy to point at nor small to write.
    pub(crate) const MOST_SLICES: usize = 80;

    /// The axis for a run of this length.
    pub(crate) fn fit(duration_s: f64) -> Self {
        let duration = if duration_s.is_finite() {
            duration_s.max(1.0)
        } else {
            1.0
        };
        let duration = duration.min(LARGEST);
        let slice = nice_step(duration, Self::MOST_SLICES as f64);
        let slices = (duration / slice - 1e-9).ceil().max(1.0);
        Self {
            end: slices * slice,
            slice,
            slices: slices as usize,
        }
    }

    /// Where a moment stands: 0 at the left, 1 at the right; what lies beyond stands at the edge.
    pub(crate) fn place(self, t_s: f64) -> f64 {
        (t_s / self.end).clamp(0.0, 1.0)
    }

    /// The moments that get a label.
    pub(crate) fn ticks(self) -> Vec<f64> {
        let step = nice_step(self.end, 7.0);
        let count = (self.end / step + 1e-9).floor() as i32;
        (0..=count).map(|n| f64::from(n) * step).collect()
    }

    /// The middle of a slice.
    pub(crate) fn middle(self, slice: usize) -> f64 {
        (slice as f64 + 0.5) * self.slice
    }
}

/// A place on the axis of time as a percentage of its width.
pub(crate) fn percent(place: f64) -> String {
    let text = format!("{:.2}", place * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A step of 1, 2 or 5 times a power of ten that cuts `span` into about `parts`.
fn nice_step(span: f64, parts: f64) -> f64 {
    // What is smaller has no place value left to round to.
    if !(1.0 / LARGEST..=2.0 * LARGEST).contains(&span) {
        return 1.0;
    }
    round_up(span / parts)
}

/// The next 1, 2 or 5 times a power of ten, upwards.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powi(value.log10().floor() as i32);
    let factor = value / power * (1.0 - 1e-9);
    power
        * [1.0, 2.0, 5.0]
            .into_iter()
            .find(|nice| factor <= *nice)
            .unwrap_or(10.0)
}

/// The next 1, 2 or 5 times a power of ten, downwards.
fn round_down(value: f64) -> f64 {
    let power = 10f64.powi(value.log10().floor() as i32);
    let factor = value / power * (1.0 + 1e-9);
    power
        * [5.0, 2.0]
            .into_iter()
            .find(|nice| factor >= *nice)
            .unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(low: f64, high: f64, step: f64) -> Scale {
        Scale::Linear { low, high, step }
    }

    #[test]
    fn the_strangest_values_have_a_handful_of_ticks() {
        let strange = [
            5e-324,
            1e-310,
            1e308,
            -1e308,
            f64::MAX,
            f64::MIN,
            f64::NAN,
            0.0,
            1.0,
        ];
        for a in strange {
            for b in strange {
                let scale = Scale::fit([a, b].into_iter(), "requests");
                assert!(scale.ticks().len() < 20, "{a} {b}: {scale:?}");
                assert!(
                    !scale.place(a.min(b)).is_nan() || a.is_nan() || b.is_nan(),
                    "{a} {b}: {scale:?}"
                );
                let times = Scale::fit([a, b].into_iter(), "ms");
                assert!(times.ticks().len() < 20, "{a} {b}: {times:?}");
            }
            let axis = TimeAxis::fit(a);
            assert!(
                axis.ticks().len() < 20 && axis.slices <= TimeAxis::MOST_SLICES,
                "{a}: {axis:?}"
            );
        }
    }

    #[test]
    fn counts_start_at_zero_and_end_on_a_tick() {
        let scale = Scale::fit([3.0, 208.0].into_iter(), "requests");
        assert_eq!(scale, linear(0.0, 300.0, 100.0));
        assert_eq!(scale.ticks(), [0.0, 100.0, 200.0, 300.0]);
        assert!((scale.place(150.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn nothing_and_all_zero_still_have_an_axis() {
        assert_eq!(Scale::fit([].into_iter(), "ms"), linear(0.0, 1.0, 1.0));
        let zeros = Scale::fit([0.0, 0.0].into_iter(), "ms");
        assert_eq!(zeros, linear(0.0, 1.0, 1.0));
        assert!(zeros.place(0.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_falls_below_zero_is_shown() {
        let scale = Scale::fit([-3.0, 5.0].into_iter(), "credits");
        assert_eq!(scale, linear(-4.0, 6.0, 2.0));
    }

    #[test]
    fn times_that_spread_far_are_logarithmic_and_others_are_not() {
        let far = Scale::fit([3.0, 7300.0].into_iter(), "ms");
        assert_eq!(
            far,
            Scale::Logarithmic {
                low: 2.0,
                high: 10_000.0
            }
        );
        assert_eq!(far.ticks(), [10.0, 100.0, 1000.0, 10_000.0]);
        assert!(far.place(0.0).abs() < f64::EPSILON);
        assert!(!Scale::fit([100.0, 400.0].into_iter(), "ms").is_logarithmic());
        assert!(!Scale::fit([1.0, 4000.0].into_iter(), "requests").is_logarithmic());
    }

    #[test]
    fn time_is_cut_into_few_even_slices() {
        let cases = [
            (0.0, 1.0, 0.02),
            (50.0, 50.0, 1.0),
            (72.3, 73.0, 1.0),
            (80.0, 80.0, 1.0),
            (81.0, 82.0, 2.0),
            (3600.0, 3600.0, 50.0),
        ];
        for (duration, end, slice) in cases {
            let axis = TimeAxis::fit(duration);
            assert!((axis.end - end).abs() < 1e-9, "{duration}: {axis:?}");
            assert!((axis.slice - slice).abs() < 1e-9, "{duration}: {axis:?}");
            assert!(axis.slices <= TimeAxis::MOST_SLICES);
        }
        assert_eq!(
            TimeAxis::fit(62.0).ticks(),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
    }

    #[test]
    fn every_axis_of_time_is_finite() {
        for duration in [f64::NAN, f64::INFINITY, -5.0, 1e-9, 1e9] {
            let axis = TimeAxis::fit(duration);
            assert!(axis.end.is_finite() && axis.slices >= 1);
        }
    }
}
