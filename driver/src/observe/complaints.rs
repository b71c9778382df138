//! What the looks could not see, and why: told once each, however often it was.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    scrape::{Blank, Page, Place},
    select::{Unseen, asked},
};
use crate::scenario::{METRICS, Scenario, Series, Source};

/// What a complaint is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    /// A page that can't be read.
    Unreadable(Place),
    /// A page that did not come.
    Away(Place),
    /// The values of the nth series.
    Series(usize),
}

/// The first of its kind, and how often it was like that.
#[derive(Debug)]
struct Complaint {
    words: String,
    looks: usize,
}

/// All of a run.
#[derive(Debug, Default)]
pub(super) struct Complaints(BTreeMap<About, Complaint>);

/// What was seen all the same.
pub(super) struct Seen<'a> {
    /// How often it was looked.
    pub(super) looks: usize,
    /// The last page of each place that could be read.
    pub(super) pages: &'a BTreeMap<Place, Page>,
    /// The points of each series.
    pub(super) points: &'a [Vec<(f64, f64)>],
}

impl Complaints {
    /// A look at a place that showed nothing.
    pub(super) fn blank(&mut self, place: &Place, blank: &Blank) {
        match blank {
            Blank::Away(words) => self.add(About::Away(place.clone()), words),
            Blank::Unreadable(words) => self.add(About::Unreadable(place.clone()), words),
        }
    }

    /// A page without a value for the nth series. That it is not there is said at the end, where it never came.
    pub(super) fn unseen(&mut self, series: usize, unseen: &Unseen) {
        match unseen {
            Unseen::Absent => {}
            Unseen::Odd(words) => self.add(About::Series(series), words),
        }
    }

    fn add(&mut self, about: About, words: &str) {
        match self.0.entry(about) {
            Entry::Occupied(mut complaint) => complaint.get_mut().looks += 1,
            Entry::Vacant(place) => {
                place.insert(Complaint {
                    words: words.to_owned(),
                    looks: 1,
                });
            }
        }
    }

    /// A sentence each.
    pub(super) fn sentences(&self, scenario: &Scenario, seen: &Seen) -> Vec<String> {
        let told = self.0.iter().filter_map(|(about, complaint)| {
            let often = format!("{} of {} looks", complaint.looks, seen.looks);
            let words = &complaint.words;
            match about {
                About::Unreadable(place) => {
                    Some(format!("{place} can't be read ({often}): {words}"))
                }
                About::Series(n) => {
                    let id = &scenario.series[*n].id;
                    Some(format!("series `{id}` has gaps ({often}): {words}"))
                }
                About::Away(place) => {
                    // A service that goes away for a while, as in a crash, is no riddle.
                    let came = seen.pages.contains_key(place)
                        || self.0.contains_key(&About::Unreadable(place.clone()));
                    let hint = hint(scenario, place);
                    (!came).then(|| format!("{place} was never seen: {words}{hint}"))
                }
            }
        });
        let absent = scenario
            .series
            .iter()
            .enumerate()
            .filter_map(|(n, series)| {
                let silent = seen.points[n].is_empty() && !self.0.contains_key(&About::Series(n));
                silent.then(|| absent(scenario, series, seen)).flatten()
            });
        // Labels may be anything, and this is shown in a terminal.
        let shown = |sentence: String| sentence.replace(char::is_control, "\u{fffd}");
        told.chain(absent).map(shown).collect()
    }
}

/// Where else the metrics of somebody's own service may be.
fn hint(scenario: &Scenario, place: &Place) -> &'static str {
    let own = scenario.services.api.is_none() && scenario.services.worker.is_none();
    match place {
        Place::Metrics(_, path) if own && path == METRICS => {
            "; a line `metrics = \"/path\"` at the top of the scenario names another page"
        }
        _ => "",
    }
}

/// That a series, which no look showed, is not on its page, and what is.
fn absent(scenario: &Scenario, series: &Series, seen: &Seen) -> Option<String> {
    let place = Place::of(scenario, &series.source)?;
    let page = seen.pages.get(&place)?;
    let wanted = match &series.source {
        Source::Metric(metric) | Source::Rate(metric) => asked(metric),
        Source::Dbstats(path) => path.clone(),
        Source::Replicas(_) => return None,
    };
    Some(format!(
        "series `{}`: `{wanted}` is not on {place}; {}",
        series.id,
        page.instead_of(&series.source)
    ))
}
