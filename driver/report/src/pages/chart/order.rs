//! Which chart comes first, and which is folded away: made of what the checks read and of the data, declared nowhere.
//!
//! The head of a report says why it did or did not hold: the chart of that mechanism leads. After it come the one of the
//! figure that is quoted first, those of whatever else failed, those of all other checks on effects and mechanisms, and what
//! the load itself saw. What is left, correctness that holds and what no check reads, is folded, and so is what did
//! not move at all, unless something failed by it or the head speaks of it.

use lab_record::{Check, CheckKind, Run};

use super::Panel;
use crate::pages::headline;

/// How much a chart tells, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tells {
    Why,
    Headline,
    Failure,
    Check,
    Load,
    Little,
}

/// The charts of a report, sorted by what they tell.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sorted {
    /// In sight, the telling one first.
    pub(crate) open: Vec<Panel>,
    /// Folded.
    pub(crate) folded: Vec<Panel>,
}

impl Sorted {
    /// The title of the telling one.
    pub(crate) fn first_title(&self) -> Option<&str> {
        self.open.first().map(|panel| panel.title.as_str())
    }
}

/// Sorts the charts of one run, or of several over each other: what tells much of one of them is shown.
pub(crate) fn sort(panels: Vec<Panel>, runs: &[&Run]) -> Sorted {
    let mut ranked: Vec<(Tells, Panel)> = panels
        .into_iter()
        .map(|panel| {
            let tells = runs.iter().map(|run| tells(&panel, run)).min();
            (tells.unwrap_or(Tells::Load), panel)
        })
        .collect();
    ranked.sort_by_key(|(tells, _)| *tells);
    let mut sorted = Sorted::default();
    for (tells, panel) in ranked {
        let is_noise = tells == Tells::Little || (tells > Tells::Failure && panel.is_still());
        let place = if is_noise {
            &mut sorted.folded
        } else {
            &mut sorted.open
        };
        place.push(panel);
    }
    sorted
}

fn tells(panel: &Panel, run: &Run) -> Tells {
    let shows = |check: &&Check| {
        let mut lines = panel.lines.iter();
        lines.any(|line| check.series.contains(&line.id))
    };
    let checks = || run.checks.iter().filter(shows);
    if headline::why_check(run).as_ref().is_some_and(shows) {
        Tells::Why
    } else if run.headline().as_ref().is_some_and(shows) {
        Tells::Headline
    } else if checks().any(|check| !check.passed) {
        Tells::Failure
    } else if checks().any(|check| check.kind != CheckKind::Correctness) {
        Tells::Check
    } else if panel.lines.iter().any(|line| is_of_the_load(&line.id)) || !says_what_it_reads(run) {
        Tells::Load
    } else {
        Tells::Little
    }
}

/// What the driver itself draws of every run (`driver/src/run/outcome.rs`).
fn is_of_the_load(id: &str) -> bool {
    matches!(id, "offered" | "sent" | "ok" | "failed") || id.starts_with("p95:")
}

/// False of data from before it was noted what a check reads.
fn says_what_it_reads(run: &Run) -> bool {
    run.checks.iter().any(|check| !check.series.is_empty())
}

impl Panel {
    /// True where nothing of it ever moves, in either of two runs.
    fn is_still(&self) -> bool {
        let value = |id: &str| {
            let mut lines = self.lines.iter();
            lines
                .find(|line| line.id == id && !line.points.is_empty())?
                .points
                .first()
        };
        self.lines.iter().all(|line| {
            let first = value(&line.id).map(|point| point.1);
            let mut points = line.points.iter();
            points.all(|point| Some(point.1) == first)
        })
    }

    /// What is to be known of a chart that is folded: its title and, where it did not move, where it stood.
    pub(super) fn in_short(&self) -> String {
        let first = self.lines.iter().find_map(|line| line.points.first());
        match first {
            None => format!("{} (nothing measured)", self.title),
            Some((_, value)) if self.is_still() && self.is_one_value(*value) => {
                let value = crate::words::number::quantity(*value, &self.unit);
                format!("{} ({value} throughout)", self.title)
            }
            Some(_) => self.title.clone(),
        }
    }

    fn is_one_value(&self, value: f64) -> bool {
        let mut points = self.lines.iter().flat_map(|line| &line.points);
        points.all(|point| point.1.total_cmp(&value).is_eq())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pages::chart::panels, sample};

    /// The titles of what is in sight, and of what is folded.
    fn titles(run: &Run) -> (Vec<String>, Vec<String>) {
        let sorted = sort(panels(&run.series), &[run]);
        let titles = |panels: Vec<Panel>| panels.into_iter().map(|panel| panel.title).collect();
        (titles(sorted.open), titles(sorted.folded))
    }

    #[test]
    fn the_reason_leads_then_the_headline_and_what_nobody_asks_is_folded() {
        for run in [sample::failing(), sample::passing()] {
            let (open, folded) = titles(&run);
            assert_eq!(open, ["In flight", "Latency", "Traffic"], "{}", run.code);
            assert_eq!(folded, ["Dependency", "Driver", "Driver"], "{}", run.code);
        }
    }

    #[test]
    fn what_does_not_move_is_folded_unless_something_failed_by_it() {
        let mut run = sample::failing();
        let series = run
            .series
            .iter_mut()
            .find(|series| series.id == "dep")
            .unwrap();
        series.points = series.points.iter().map(|(t, _)| (*t, 16.0)).collect();
        let check = run
            .checks
            .iter_mut()
            .find(|check| check.id == "quotes_ok")
            .unwrap();
        assert!(check.passed);
        check.series = vec!["dep".to_owned()];
        assert!(titles(&run).1.contains(&"Dependency".to_owned()));
        let folded = sort(panels(&run.series), &[&run]).folded;
        assert_eq!(
            folded[0].in_short().replace('\u{a0}', " "),
            "Dependency (16 requests throughout)"
        );
        let check = run
            .checks
            .iter_mut()
            .find(|check| check.id == "quotes_ok")
            .unwrap();
        check.passed = false;
        let (open, folded) = titles(&run);
        assert_eq!(open[2], "Dependency");
        assert_eq!(folded, ["Driver", "Driver"]);
    }

    #[test]
    fn what_stands_elsewhere_in_the_other_run_has_moved() {
        let (mut a, b) = (sample::failing(), sample::passing());
        let still = |run: &mut Run, value: f64| {
            let series = run
                .series
                .iter_mut()
                .find(|series| series.id == "dep")
                .unwrap();
            series.points = vec![(0.0, value), (1.0, value)].into();
        };
        let folded = |a: &Run, b: &Run| {
            let panels = crate::pages::chart::overlay(&a.series, &b.series);
            let panel = panels.into_iter().find(|panel| panel.title == "Dependency");
            panel.unwrap().is_still()
        };
        let mut b = b;
        still(&mut a, 16.0);
        still(&mut b, 16.0);
        assert!(folded(&a, &b));
        still(&mut b, 512.0);
        assert!(!folded(&a, &b));
    }

    #[test]
    fn data_that_does_not_say_what_a_check_reads_keeps_its_order() {
        let mut run = sample::failing();
        for check in &mut run.checks {
            check.series.clear();
        }
        let (open, folded) = titles(&run);
        assert_eq!(
            open,
            [
                "Traffic",
                "Latency",
                "In flight",
                "Dependency",
                "Driver",
                "Driver"
            ]
        );
        assert!(folded.is_empty());
    }
}
