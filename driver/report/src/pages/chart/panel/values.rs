//! The values behind the lines: under the pointer, in the table, and in words.

use std::fmt::Write;

use maud::{Markup, html};

use crate::{
    pages::chart::{Line, Panel, line::nearest, scale::TimeAxis},
    words::number::{NONE, quantity, seconds},
};

impl Panel {
    /// Narrow columns over the plot: pointing at one, or walking them with the arrow keys, shows
    /// the values. They are one radio group, hence one stop of the Tab key.
    pub(super) fn slices(&self, number: usize, axis: TimeAxis) -> Markup {
        html! {
            div.slices role="radiogroup" aria-label={ "Values of " (self.title) " over time" } {
                @for slice in 0..axis.slices {
                    @let values = self.values(axis, slice);
                    label.s.r[slice * 2 >= axis.slices] {
                        input type="radio" name={ "at" (number) };
                        span.tip {
                            b { (seconds(axis.middle(slice))) }
                            @for (line, value) in self.lines.iter().zip(values) {
                                @if let Some(value) = value {
                                    span { i.(line.class()) {} (line.label) " " b { (quantity(value, &self.unit)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The measured value of each line nearest to the middle of a slice.
    pub(super) fn values(&self, axis: TimeAxis, slice: usize) -> Vec<Option<f64>> {
        let middle = axis.middle(slice);
        self.lines
            .iter()
            .map(|line| nearest(&line.points, middle, line.reach().max(axis.slice * 0.51)))
            .collect()
    }

    /// The cells of a row of the table.
    pub(in crate::pages::chart) fn cells(&self, axis: TimeAxis, slice: usize) -> Vec<String> {
        self.values(axis, slice)
            .into_iter()
            .map(|value| value.map_or_else(|| NONE.to_owned(), |value| quantity(value, &self.unit)))
            .collect()
    }

    /// The heads of the table's columns.
    pub(in crate::pages::chart) fn heads(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.label.as_str())
    }

    /// The chart in words.
    pub(super) fn describe(&self, axis: TimeAxis) -> String {
        let mut text = format!("{} over {}.", self.title, seconds(axis.end));
        for line in &self.lines {
            let values = line.points.iter().map(|point| point.1);
            let values = values.filter(|value| value.is_finite());
            let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
                (low.min(v), high.max(v))
            });
            let _ = if low.is_finite() {
                let unit = &self.unit;
                let (low, high) = (quantity(low, unit), quantity(high, unit));
                write!(text, " {}: {low} to {high}.", line.label)
            } else {
                write!(text, " {}: nothing measured.", line.label)
            };
        }
        for limit in &self.limits {
            let _ = write!(text, " Line at {}.", self.limit_label(limit));
        }
        text
    }
}

impl Line {
    /// How far a value may stand for the moments beside it: a little more than half the pause
    /// between two points.
    fn reach(&self) -> f64 {
        match self.points.as_slice() {
            [first, .., last] => (last.0 - first.0) / (self.points.len() - 1) as f64 * 0.6,
            _ => 0.0,
        }
    }
}
