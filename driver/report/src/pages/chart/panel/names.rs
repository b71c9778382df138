//! Names of the lines: at their ends where there is room, else in a legend.

use maud::{Markup, html};

use super::{place, short, tick_label};
use crate::{
    pages::chart::{
        Line, Panel,
        labels::spread,
        scale::{Scale, TimeAxis, percent},
        stack::LONGEST_LABEL,
    },
    words::number::quantity,
};

/// Between two labels, px.
pub(super) const LABEL_HEIGHT: f64 = 15.0;

impl Panel {
    /// The length of the longest label, in characters.
    pub(in crate::pages::chart) fn longest_label(&self) -> usize {
        let lines = self.lines.iter().map(|line| line.label.chars().count());
        let limits = self
            .limits
            .iter()
            .map(|limit| self.limit_label(limit).chars().count());
        lines.chain(limits).max().unwrap_or(0)
    }

    pub(super) fn limit_label(&self, limit: &(String, f64)) -> String {
        let value = quantity(limit.1, &self.unit);
        if limit.0.contains(&value) {
            limit.0.clone()
        } else {
            format!("{} {}", limit.0, tick_label(limit.1, &self.unit))
        }
    }

    /// Names of the lines with samples of them, for where there is no room at their ends.
    pub(super) fn legend(&self) -> Markup {
        html! {
            p.legend {
                @for line in &self.lines {
                    span { (sample(&line.class())) (line.label) }
                }
                @for limit in &self.limits {
                    span { (sample("limit")) (self.limit_label(limit)) }
                }
            }
        }
    }

    /// The names at the right, each joined to the end of its line.
    pub(super) fn labels(&self, scale: Scale, height: f64) -> Markup {
        let lines = self.lines.iter().filter_map(|line| {
            let (_, end) = line.last()?;
            let hidden = self.ends_with_twin(line, end, scale, height);
            (!hidden).then(|| (line.class(), shorten(&line.label), end))
        });
        let limits = self.limits.iter().map(|limit| {
            (
                "limit".to_owned(),
                shorten(&self.limit_label(limit)),
                limit.1,
            )
        });
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

    /// True for a line of the earlier run that ends where the later run's does: one name is enough
    /// there, as both have the same ink.
    fn ends_with_twin(&self, line: &Line, end: f64, scale: Scale, height: f64) -> bool {
        let twin = self
            .lines
            .iter()
            .find(|other| line.before && !other.before && other.id == line.id)
            .and_then(Line::last);
        let y = |value| place(scale, value, height);
        twin.is_some_and(|(_, value)| (y(value) - y(end)).abs() < LABEL_HEIGHT)
    }

    /// Dots from where a line ends to the edge, where its name is.
    pub(super) fn tails(&self, scale: Scale, axis: TimeAxis, height: f64) -> Markup {
        html! {
            @for line in &self.lines {
                @if let Some((t, value)) = line.last() {
                    @let y = short(place(scale, value, height));
                    line.tail.(line.class()) x1=(percent(axis.place(t))) x2="100%" y1=(y) y2=(y) {}
                }
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

/// A label that fits beside the plot.
pub(super) fn shorten(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    let kept: String = label.chars().take(LONGEST_LABEL - 1).collect();
    format!("{}…", kept.trim_end())
}
