//! Draws one panel: bands, grid, limits, lines, names at their ends, and values to point at.

mod names;
mod values;

use std::fmt::Write;

use maud::{Markup, html};

use self::names::LABEL_HEIGHT;
use super::{
    Line, Panel,
    line::strokes,
    scale::{Scale, TimeAxis, percent},
    stack::Marks,
};
use crate::words::number::{quantity, three_digits};

/// Height of the plot, px, unless its labels need more.
const HEIGHT: f64 = 160.0;
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
                                @let dots = line.dots(scale, axis, height);
                                @if !dots.is_empty() { path.line.dots.(line.class()) d=(dots) {} }
                            }
                        }
                        (self.tails(scale, axis, height))
                        (time_labels(axis, height))
                        (self.labels(scale, height))
                    }
                    (self.slices(number, axis))
                }
            }
        }
    }

    /// True where lines of two runs lie over each other; dashes then tell the runs apart.
    pub(super) fn compares(&self) -> bool {
        self.lines.iter().any(|line| line.before)
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
}

impl Line {
    fn class(&self) -> String {
        let before = if self.before { " before" } else { "" };
        format!("{}{before}", self.ink)
    }

    fn last(&self) -> Option<(f64, f64)> {
        let finite = |point: &&(f64, f64)| point.0.is_finite() && point.1.is_finite();
        self.points.iter().rfind(finite).copied()
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
        }
        path
    }

    /// Points that stand alone; a round cap makes a dot of each.
    fn dots(&self, scale: Scale, axis: TimeAxis, height: f64) -> String {
        let mut path = String::new();
        for stroke in strokes(&self.points) {
            if let [(t, value)] = stroke[..] {
                let x = short(axis.place(t) * PLANE);
                let y = short(place(scale, value, height));
                let _ = write!(path, "M{x} {y}h0");
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
                text x="-8" y=(y) dy="4" { (tick_label(tick, unit)) }
            }
        }
    }
}

/// Seconds below the plot.
fn time_labels(axis: TimeAxis, height: f64) -> Markup {
    html! {
        g.times {
            @for tick in axis.ticks() {
                text x=(percent(axis.place(tick))) y=(height + 15.0) { (tick_label(tick, "s")) }
            }
        }
    }
}

/// On an axis times carry their unit, as it changes along the way; others have it in the heading.
fn tick_label(value: f64, unit: &str) -> String {
    match unit {
        "ms" | "s" if value != 0.0 => quantity(value, unit),
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

#[cfg(test)]
mod tests;
