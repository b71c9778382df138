//! Draws one panel: bands, grid, limits, lines, names at their ends, and values to point at.

use std::fmt::Write;

use maud::{Markup, html};

use super::{
    Line, Panel,
    labels::spread,
    line::{nearest, strokes},
    scale::{Scale, TimeAxis},
    stack::Marks,
};
use crate::report::number::{quantity, three_digits};

/// Height of the plot, px, unless its labels need more.
const HEIGHT: f64 = 150.0;
/// Between two labels, px.
const LABEL_HEIGHT: f64 = 15.0;
/// Width of the plane that lines are drawn in; it stretches with the page.
const PLANE: f64 = 1000.0;

impl Panel {
    /// The panel as HTML; `number` tells the panels of a page apart.
    pub(super) fn markup(&self, number: usize, axis: TimeAxis, marks: &Marks) -> Markup {
        let scale = self.scale();
        let height = self.height();
        let title = self.heading(scale);
        html! {
            figure.panel {
                figcaption {
                    h3 { (title.0) " " small { (title.1) } }
                    (self.legend())
                }
                div.plot {
                    svg width="100%" height=(height) role="img" aria-label=(self.describe(axis)) {
                        (marks.bands(axis, height))
                        (grid(scale, height, &self.unit))
                        (marks.lines(axis, height))
                        @for limit in &self.limits {
                            @let y = place(scale, limit.1, height);
                            line.limit x1="0" x2="100%" y1=(y) y2=(y) {}
                        }
                        svg width="100%" height=(height) preserveAspectRatio="none"
                            viewBox=(format!("0 0 {PLANE} {height}")) {
                            @for line in self.lines.iter().rev() {
                                path.line.(line.class()) d=(line.path(scale, axis, height, &self.unit)) {}
                            }
                        }
                        (time_labels(axis, height))
                        (self.labels(scale, height))
                    }
                    (self.slices(number, axis))
                }
            }
        }
    }

    /// The length of the longest label, in characters.
    pub(super) fn longest_label(&self) -> usize {
        let lines = self.lines.iter().map(|line| line.label.chars().count());
        let limits = self
            .limits
            .iter()
            .map(|limit| self.limit_label(limit).chars().count());
        lines.chain(limits).max().unwrap_or(0)
    }

    /// Title and what the axis shows.
    pub(super) fn heading(&self, scale: Scale) -> (&str, String) {
        let kind = if scale.is_logarithmic() {
            ", logarithmic"
        } else {
            ""
        };
        (&self.title, format!("{}{kind}", self.unit))
    }

    pub(super) fn scale(&self) -> Scale {
        let values = self.lines.iter().flat_map(|line| &line.points);
        let limits = self.limits.iter().map(|limit| limit.1);
        Scale::fit(values.map(|point| point.1).chain(limits), &self.unit)
    }

    fn height(&self) -> f64 {
        let labels = self.lines.len() + self.limits.len();
        HEIGHT.max(labels as f64 * LABEL_HEIGHT)
    }

    fn limit_label(&self, limit: &(String, f64)) -> String {
        let value = quantity(limit.1, &self.unit);
        if limit.0.contains(&value) {
            limit.0.clone()
        } else {
            format!("{} {}", limit.0, three_or_time(limit.1, &self.unit))
        }
    }

    /// Names of the lines with samples of them, for where there is no room at their ends.
    fn legend(&self) -> Markup {
        html! {
            p.legend {
                @for line in &self.lines {
                    span { (line.sample()) (line.label) }
                }
                @for limit in &self.limits {
                    span { (sample("limit")) (self.limit_label(limit)) }
                }
            }
        }
    }

    /// The names at the right, each joined to the end of its line.
    fn labels(&self, scale: Scale, height: f64) -> Markup {
        let lines = self.lines.iter().filter_map(|line| {
            let end = line.last()?;
            Some((line.class(), shorten(&line.label), end))
        });
        let limits = self
            .limits
            .iter()
            .map(|limit| ("limit".to_owned(), shorten(&self.limit_label(limit)), limit.1));
        // Limits go before the lines of an earlier run, should there not be room for all.
        let mut labels: Vec<_> = lines.chain(limits).collect();
        labels.sort_by_key(|label| label.0.ends_with("before"));
        let ends: Vec<f64> = labels
            .iter()
            .map(|label| place(scale, label.2, height))
            .collect();
        let places = spread(&ends, LABEL_HEIGHT, height);
        html! {
            svg.ends x="100%" {
                @for ((class, text, _), (end, place)) in labels.iter().zip(ends.iter().zip(places)) {
                    @if let Some(place) = place {
                        path.leader.(class) d=(format!("M1 {}L10 {}", short(*end), short(place))) {}
                        text.(class) x="14" y=(short(place)) dy="4" { (text) }
                    }
                }
            }
        }
    }

    /// Narrow columns over the plot: pointing at one, or walking them with the arrow keys, shows
    /// the values. They are one radio group, hence one stop of the Tab key.
    fn slices(&self, number: usize, axis: TimeAxis) -> Markup {
        html! {
            div.slices role="radiogroup" aria-label={ "Values of " (self.title) " over time" } {
                @for slice in 0..axis.slices {
                    @let values = self.values(axis, slice);
                    label.s.r[slice * 2 >= axis.slices] {
                        input type="radio" name={ "at" (number) };
                        span.tip {
                            b { (quantity(axis.middle(slice), "s")) }
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
    fn values(&self, axis: TimeAxis, slice: usize) -> Vec<Option<f64>> {
        let middle = axis.middle(slice);
        self.lines
            .iter()
            .map(|line| nearest(&line.points, middle, line.reach().max(axis.slice * 0.51)))
            .collect()
    }

    /// The cells of a row of the table.
    pub(super) fn cells(&self, axis: TimeAxis, slice: usize) -> Vec<String> {
        self.values(axis, slice)
            .into_iter()
            .map(|value| {
                value.map_or_else(
                    || super::super::number::NONE.to_owned(),
                    |value| quantity(value, &self.unit),
                )
            })
            .collect()
    }

    /// The heads of the table's columns.
    pub(super) fn heads(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.label.as_str())
    }

    /// The chart in words.
    fn describe(&self, axis: TimeAxis) -> String {
        let mut text = format!(
            "{} over {}.",
            self.title,
            quantity(axis.end, "s").replace('\u{a0}', " ")
        );
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
    fn class(&self) -> String {
        let before = if self.before { " before" } else { "" };
        format!("{}{before}", self.ink)
    }

    fn sample(&self) -> Markup {
        sample(&self.class())
    }

    fn last(&self) -> Option<f64> {
        let mut values = self.points.iter().rev().map(|point| point.1);
        values.find(|value| value.is_finite())
    }

    /// How far a value may stand for the moments beside it: a little more than half the pause
    /// between two points.
    fn reach(&self) -> f64 {
        match self.points.as_slice() {
            [first, .., last] => (last.0 - first.0) / (self.points.len() - 1) as f64 * 0.6,
            _ => 0.0,
        }
    }

    /// The line as an SVG path. Numbers of replicas change in steps, all else is joined straight.
    fn path(&self, scale: Scale, axis: TimeAxis, height: f64, unit: &str) -> String {
        let mut path = String::new();
        for stroke in strokes(&self.points) {
            for (at, (t, value)) in stroke.iter().enumerate() {
                let x = short(axis.place(*t) * PLANE);
                let y = short(place(scale, *value, height));
                let _ = match (at, unit) {
                    (0, _) => write!(path, "M{x} {y}"),
                    (_, "replicas") => write!(path, "H{x}V{y}"),
                    _ => write!(path, "L{x} {y}"),
                };
            }
            if stroke.len() == 1 {
                // A round cap makes a dot of it.
                path.push_str("h0");
            }
        }
        path
    }
}

/// Horizontal lines and the numbers beside them.
fn grid(scale: Scale, height: f64, unit: &str) -> Markup {
    html! {
        g.grid {
            @for tick in scale.ticks() {
                @let y = short(place(scale, tick, height));
                line x1="0" x2="100%" y1=(y) y2=(y) {}
                text x="-8" y=(y) dy="4" { (three_or_time(tick, unit)) }
            }
        }
    }
}

/// Seconds below the plot.
fn time_labels(axis: TimeAxis, height: f64) -> Markup {
    html! {
        g.times {
            @for tick in axis.ticks() {
                text x=(percent(axis.place(tick))) y=(height + 15.0) { (three_or_time(tick * 1000.0, "ms")) }
            }
        }
    }
}

fn sample(class: &str) -> Markup {
    html! {
        svg.sample width="22" height="8" aria-hidden="true" {
            path.line.(class) d="M0 4H22" {}
        }
    }
}

/// On an axis times carry their unit, as it changes along the way; others have it in the heading.
fn three_or_time(value: f64, unit: &str) -> String {
    match unit {
        "ms" | "s" => quantity(value, unit),
        _ => three_digits(value),
    }
}

fn place(scale: Scale, value: f64, height: f64) -> f64 {
    (1.0 - scale.place(value)) * height
}

/// A coordinate with at most one digit behind the point.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A place on the axis of time as a percentage of its width.
pub(super) fn percent(place: f64) -> String {
    let text = format!("{:.2}", place * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A label that fits beside the plot.
fn shorten(label: &str) -> String {
    if label.chars().count() <= super::stack::LONGEST_LABEL {
        return label.to_owned();
    }
    let kept: String = label.chars().take(super::stack::LONGEST_LABEL - 1).collect();
    format!("{}…", kept.trim_end())
}
