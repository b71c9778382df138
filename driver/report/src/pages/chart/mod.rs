//! Charts over time: geometry first ([`scale`], [`line`], [`labels`], all pure), then SVG.
//!
//! A chart scales with the page by percentages, so that lines stretch and letters don't; hovering
//! and the keyboard work by CSS alone.

mod labels;
mod line;
mod order;
mod panel;
mod scale;
mod spark;
mod stack;

pub(crate) use order::{Sorted, sort};
pub(crate) use scale::{Scale, TimeAxis, percent};
pub(crate) use spark::sparkline;
pub(crate) use stack::{Marks, Stack, name as event_name};

use lab_record::Series;

/// Series of one chart in one unit.
#[derive(Debug, PartialEq)]
pub(crate) struct Panel {
    title: String,
    unit: String,
    lines: Vec<Line>,
    limits: Vec<(String, f64)>,
}

/// One line.
#[derive(Debug, PartialEq)]
struct Line {
    id: String,
    label: String,
    /// Class in the style sheet; it gives the colour and the dashes.
    ink: &'static str,
    /// True for the earlier of two runs.
    before: bool,
    points: Vec<(f64, f64)>,
}

/// The inks of quantities without a colour of their own.
const INKS: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];

/// One panel a chart title and unit, in order of first appearance.
pub(crate) fn panels(series: &[Series]) -> Vec<Panel> {
    let mut panels = Vec::new();
    for one in series {
        add(&mut panels, one, one.label.clone(), false);
    }
    panels
}

/// The same charts of two runs, one over the other: the lines of `b`, then those of `a`.
pub(crate) fn overlay(a: &[Series], b: &[Series]) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (series, run, before) in [(b, "B", false), (a, "A", true)] {
        for one in series {
            add(&mut panels, one, format!("{run} {}", one.label), before);
        }
    }
    panels
}

fn add(panels: &mut Vec<Panel>, series: &Series, label: String, before: bool) {
    // What only the stage shows.
    let Some(chart) = &series.chart else {
        return;
    };
    let same = |panel: &Panel| panel.title == *chart && panel.unit == series.unit;
    let at = panels.iter().position(same).unwrap_or_else(|| {
        panels.push(Panel {
            title: chart.clone(),
            unit: series.unit.clone(),
            lines: Vec::new(),
            limits: Vec::new(),
        });
        panels.len() - 1
    });
    let panel = &mut panels[at];
    panel.lines.push(Line {
        id: series.id.clone(),
        ink: ink(panel, series, before),
        label,
        before,
        points: series.points.to_vec(),
    });
    let limit = series.limit.as_ref();
    let limit = limit.map(|(name, value)| (name.clone(), value.get()));
    panel
        .limits
        .extend(limit.filter(|limit| !panel.limits.contains(limit)));
}

/// What every reader has a colour for gets that one; the rest take turns. Both runs of a comparison
/// use the same ink for the same quantity.
fn ink(panel: &Panel, series: &Series, before: bool) -> &'static str {
    match series.id.as_str() {
        "offered" => "offered",
        "sent" => "sent",
        "ok" => "ok",
        "failed" => "failed",
        _ => {
            let twin = panel
                .lines
                .iter()
                .find(|line| before && !line.before && line.id == series.id);
            let used = panel.lines.iter().filter(|line| INKS.contains(&line.ink));
            twin.map_or_else(|| INKS[used.count() % INKS.len()], |line| line.ink)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(id: &str, unit: &str, chart: &str) -> Series {
        Series {
            id: id.to_owned(),
            label: id.to_owned(),
            unit: unit.to_owned(),
            chart: Some(chart.to_owned()),
            limit: Some(("bound".to_owned(), 16.into())),
            points: vec![(0.0, 1.0)].into(),
        }
    }

    #[test]
    fn charts_come_in_order_of_first_appearance() {
        let all = [
            series("ok", "req/s", "Traffic"),
            series("p95", "ms", "Latency"),
            series("failed", "req/s", "Traffic"),
            series("share", "%", "Traffic"),
        ];
        let panels = panels(&all);
        let found: Vec<_> = panels
            .iter()
            .map(|panel| (panel.title.as_str(), panel.unit.as_str(), panel.lines.len()))
            .collect();
        assert_eq!(
            found,
            [
                ("Traffic", "req/s", 2),
                ("Latency", "ms", 1),
                ("Traffic", "%", 1)
            ]
        );
        assert_eq!(panels[0].limits.len(), 1);
        assert_eq!(panels[0].lines[1].ink, "failed");
        assert_eq!(panels[1].lines[0].ink, "c1");
    }

    #[test]
    fn a_quantity_keeps_its_ink_in_both_runs() {
        let a = [series("y", "ms", "Latency"), series("x", "ms", "Latency")];
        let b = [series("x", "ms", "Latency"), series("y", "ms", "Latency")];
        let panels = overlay(&a, &b);
        let found: Vec<_> = panels[0]
            .lines
            .iter()
            .map(|line| (line.label.as_str(), line.ink))
            .collect();
        assert_eq!(
            found,
            [("B x", "c1"), ("B y", "c2"), ("A y", "c2"), ("A x", "c1")]
        );
    }
}
