//! What happens inside the services while the load runs: their metrics, the api's view of its
//! database and the number of replicas, as series over time.

mod complaints;
mod scrape;
mod select;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lab_load::{Service, Targets};
use lab_record::{Finite, Pause};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::scenario::{Replicas, Scenario, Series, Settings, Source};
use complaints::Complaints;
pub(crate) use scrape::cpu_seconds;
use scrape::{Page, Pages, Place, Scraper};
use select::Unseen;

/// Time between two looks. Short against the 200 ms of the shortest thing to see (a transaction that
/// spans a call of `dep`), long against the millisecond that a look costs.
const INTERVAL: Duration = Duration::from_millis(100);

/// A counter's growth is taken over this long, so that single 100 ms periods don't make it jump.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Replicas of the api, as the platform has them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pods {
    /// Created, and not ready yet.
    pub starting: usize,
    /// Told to stop, and not gone yet.
    pub leaving: usize,
    /// That the autoscaler asks for.
    pub desired: u32,
    /// Ready, and not told to stop.
    pub available: usize,
    /// Told to stop, and gone, so far.
    pub left: usize,
    /// Of these, killed at the end of their grace period.
    pub killed: usize,
    /// The longest that one of these took, in seconds.
    pub slowest_leave: f64,
}

/// What the latest look showed of each series, by id; what it did not show is not there.
pub type Latest = BTreeMap<String, f64>;

/// After the end it is looked until every place has answered, or for this long: the totals of a run are those of its
/// last look.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// How the looking ends.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Cancelled when the load is over: all is looked at once more.
    pub asked: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// Asks for the end; `at_once` where nobody needs the totals any more.
    pub fn ask(&self, at_once: bool) {
        if at_once {
            self.at_once.cancel();
        }
        self.asked.cancel();
    }
}

/// The longest that one look stands for: the time to the next, and what it may take itself. What lies between two
/// looks beyond that nobody has seen.
pub const LOOK_STANDS_FOR: Duration = Duration::from_millis(600);

/// What was seen.
#[derive(Debug, Default)]
pub struct Observation {
    /// The series of the scenario, in its order.
    pub series: Vec<lab_record::Series>,
    /// When it was looked, in seconds; a series has a point at each look that saw its value.
    pub looks: Vec<f64>,
    /// When services stood still, as they say of themselves.
    pub standstills: Vec<Pause>,
    /// What could not be seen and why, a sentence each.
    pub complaints: Vec<String>,
}

/// Looks at the services until told to stop, then until all was seen once more. Times count from `t0`. A look
/// that failed leaves a gap. What each showed goes to `latest` at once.
pub async fn observe(
    scenario: Scenario,
    settings: Settings,
    targets: watch::Receiver<Targets>,
    pods: impl Fn() -> Pods,
    t0: Instant,
    stop: Stop,
    latest: watch::Sender<Latest>,
) -> Observation {
    let scraper = Scraper::new(&scenario);
    let mut seen = Seen::of(&scenario);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut deadline = None;
    loop {
        tokio::select! {
            biased;
            () = stop.asked.cancelled(), if deadline.is_none() => {
                deadline = Some(Instant::now() + LAST_LOOK);
            }
            _ = ticks.tick() => {}
        }
        let at = t0.elapsed().as_secs_f64();
        let now = targets.borrow().clone();
        let look = Look {
            pages: scraper.look(&now).await,
            ready: now.api.len(),
            others: pods(),
        };
        let all = look.pages.values().all(Result::is_ok) || stop.at_once.is_cancelled();
        seen.take(at, t0.elapsed().as_secs_f64(), look);
        latest.send_replace(seen.latest(at));
        if deadline.is_some_and(|deadline| all || Instant::now() > deadline) {
            return seen.observation(&settings);
        }
    }
}

/// What the looks so far have shown.
struct Seen<'a> {
    scenario: &'a Scenario,
    looks: Vec<f64>,
    /// Of each series, in the scenario's order.
    points: Vec<Vec<(f64, f64)>>,
    standstills: Standstills,
    /// The last page of each place that could be read.
    pages: BTreeMap<Place, Page>,
    complaints: Complaints,
}

impl<'a> Seen<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            looks: Vec::new(),
            points: vec![Vec::new(); scenario.series.len()],
            standstills: Standstills::default(),
            pages: BTreeMap::new(),
            complaints: Complaints::default(),
        }
    }

    /// Takes in a look that began `at` and was over `now`, in seconds.
    fn take(&mut self, at: f64, now: f64, look: Look) {
        self.looks.push(at);
        self.standstills.note(&look, now);
        for (n, series) in self.scenario.series.iter().enumerate() {
            match look.value(self.scenario, &series.source) {
                Ok(value) => self.points[n].push((at, value)),
                Err(unseen) => self.complaints.unseen(n, &unseen),
            }
        }
        for (place, page) in look.pages {
            match page {
                Ok(page) => drop(self.pages.insert(place, page)),
                Err(blank) => self.complaints.blank(&place, &blank),
            }
        }
    }

    /// What the look that began `at` showed.
    fn latest(&self, at: f64) -> Latest {
        let seen = self.scenario.series.iter().zip(&self.points);
        seen.filter_map(|(series, points)| {
            let last = match series.source {
                Source::Rate(_) => *rates(newest(points)).last()?,
                _ => *points.last()?,
            };
            (last.0 >= at).then_some((series.id.clone(), last.1))
        })
        .collect()
    }

    fn observation(self, settings: &Settings) -> Observation {
        let seen = complaints::Seen {
            looks: self.looks.len(),
            pages: &self.pages,
            points: &self.points,
        };
        Observation {
            complaints: self.complaints.sentences(self.scenario, &seen),
            series: (self.scenario.series.iter().zip(self.points.iter()))
                .map(|(series, points)| record(series, settings, points))
                .collect(),
            looks: self.looks,
            standstills: self.standstills.pauses(),
        }
    }
}

/// Standstills of services, each known by its length, with the earliest end that a look gave it: what a look takes
/// only makes it later.
#[derive(Default)]
struct Standstills(BTreeMap<(Service, Duration), f64>);

impl Standstills {
    /// Takes in what a look showed; `now` is the time after it.
    fn note(&mut self, look: &Look, now: f64) {
        for (place, page) in &look.pages {
            let (Place::Metrics(service, _), Ok(page)) = (place, page) else {
                continue;
            };
            for (length, ago) in page.standstills() {
                let end = self.0.entry((*service, length)).or_insert(now);
                *end = end.min(now - ago.as_secs_f64());
            }
        }
    }

    /// Those of the run, in order of time.
    fn pauses(self) -> Vec<Pause> {
        let mut pauses: Vec<Pause> = self
            .0
            .into_iter()
            .map(|((service, length), end_s)| {
                let length = length.as_secs_f64();
                Pause {
                    start_s: end_s - length,
                    end_s,
                    worst_ms: length * 1e3,
                    service: Some(service.to_string()),
                }
            })
            .filter(|pause| pause.end_s > 0.0)
            .collect();
        pauses.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        pauses
    }
}

/// What one look at everything showed.
struct Look {
    pages: Pages,
    ready: usize,
    others: Pods,
}

impl Look {
    fn value(&self, scenario: &Scenario, source: &Source) -> Result<f64, Unseen> {
        match source {
            Source::Replicas(Replicas::Ready) => Ok(self.ready as f64),
            Source::Replicas(Replicas::Starting) => Ok(self.others.starting as f64),
            Source::Replicas(Replicas::Leaving) => Ok(self.others.leaving as f64),
            Source::Replicas(Replicas::Desired) => Ok(f64::from(self.others.desired)),
            Source::Replicas(Replicas::Available) => Ok(self.others.available as f64),
            Source::Replicas(Replicas::Left) => Ok(self.others.left as f64),
            Source::Replicas(Replicas::Killed) => Ok(self.others.killed as f64),
            Source::Replicas(Replicas::SlowestLeave) => Ok(self.others.slowest_leave),
            Source::Metric(_) | Source::Rate(_) | Source::Dbstats(_) => {
                let place = Place::of(scenario, source);
                match place.and_then(|place| self.pages.get(&place)) {
                    Some(Ok(page)) => page.value(source),
                    Some(Err(_)) | None => Err(Unseen::Absent),
                }
            }
        }
    }
}

fn record(series: &Series, settings: &Settings, points: &[(f64, f64)]) -> lab_record::Series {
    let points = match series.source {
        Source::Rate(_) => rates(points).into(),
        _ => points.iter().copied().collect(),
    };
    let bound = series.bound.as_ref();
    lab_record::Series {
        id: series.id.clone(),
        label: series.label.clone(),
        unit: series.unit.clone(),
        chart: series.chart.clone(),
        limit: bound.and_then(|bound| {
            let value = bound.value.resolve(settings)?;
            Some((bound.label.clone(), Finite::new(value)?))
        }),
        points,
    }
}

/// The points that the last rate is made of, and some before.
fn newest(totals: &[(f64, f64)]) -> &[(f64, f64)] {
    let end = totals.last().map_or(0.0, |(at, _)| *at);
    let from = end - 2.0 * RATE_WINDOW.as_secs_f64();
    &totals[totals.partition_point(|(at, _)| *at < from)..]
}

/// Growth per second of a counter's totals over the window before each point. A total that fell is
/// a restarted process: no rate there.
fn rates(totals: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let window = RATE_WINDOW.as_secs_f64();
    let mut start = 0;
    let mut rates = Vec::with_capacity(totals.len());
    for &(at, total) in totals {
        while at - totals[start].0 > window {
            start += 1;
        }
        let (from, base) = totals[start.saturating_sub(1)];
        if at > from && total >= base {
            rates.push((at, (total - base) / (at - from)));
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use lab_exposition::{Format, read};
    use lab_record::Reports;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::{scrape::Blank, *};
    use crate::{
        books::Books,
        scenario::METRICS,
        score::{self, Measured},
    };

    #[test]
    fn a_standstill_ends_when_the_quickest_look_says() {
        let mut standstills = Standstills::default();
        let mut look = |text: &str, now| {
            let page = Page::Metrics(vec![read(text, Format::Prometheus).unwrap()]);
            let look = Look {
                pages: BTreeMap::from([(
                    Place::Metrics(Service::Api, METRICS.to_owned()),
                    Ok(page),
                )]),
                ready: 1,
                others: Pods::default(),
            };
            standstills.note(&look, now);
        };
        look("up 1\n", 1.0);
        look(
            "lab_standstill_seconds 0.5\nlab_standstill_ago_seconds 0.25\n",
            2.5,
        );
        look(
            "lab_standstill_seconds 0.5\nlab_standstill_ago_seconds 0.5\n",
            2.5,
        );
        look(
            "lab_standstill_seconds 1.5\nlab_standstill_ago_seconds 1\n",
            6.0,
        );
        // Before the load began.
        look(
            "lab_standstill_seconds 0.3\nlab_standstill_ago_seconds 9\n",
            6.0,
        );
        let pause = |start_s, end_s, worst_ms| Pause {
            start_s,
            end_s,
            worst_ms,
            service: Some("api".to_owned()),
        };
        assert_eq!(
            standstills.pauses(),
            [pause(1.5, 2.0, 500.0), pause(3.5, 5.0, 1500.0)]
        );
    }

    /// A scenario whose series and check are made of whatever a page says.
    const SCENARIO: &str = r#"
name = "pages"
title = "Pages"
summary = "-"
headline = "total"

[[phases]]
name = "only"
duration = "2s"

[[classes]]
name = "reads"
request = "GET /"
rate = "1/s"
timeout = "1s"
slo = "1s"

[[series]]
id = "total"
label = "total"
unit = "things"
chart = "Things"
source = { metric = { name = "a", times = 1e10 } }

[[series]]
id = "rate"
label = "rate"
unit = "things/s"
chart = "Things"
source = { rate = { name = "a", labels = { b = "c" } } }
bound = { label = "bound", value = 1e300 }

[[checks]]
id = "total"
kind = "effect"
title = "Total"
why = "-"
measure = { difference = { of = { series = { id = "total", stat = "mean" } }, minus = [{ series = { id = "rate", stat = "max" } }] } }
limit = { at_least = "1" }
full = "1000000"
"#;

    fn line() -> impl Strategy<Value = String> {
        let name = select(vec![
            "a",
            "a{b=\"c\"}",
            "lab_standstill_seconds",
            "lab_standstill_ago_seconds",
        ]);
        let odd = select(vec![
            "NaN", "+Inf", "-Inf", "0", "-0.0", "1e308", "-1.7e308", "5e-324", "1e18",
        ]);
        let value = prop_oneof![
            odd.prop_map(str::to_owned),
            any::<f64>().prop_map(|v| v.to_string())
        ];
        let good = (name, value).prop_map(|(name, value)| format!("{name} {value}\n"));
        prop_oneof![9 => good, 1 => "\\PC{0,9}\n"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn data_is_readable_whatever_a_page_says(
            texts in vec(vec(line(), 0..6), 1..12),
        ) {
            let scenario = Scenario::parse("pages.toml", SCENARIO).unwrap();
            let place = Place::Metrics(Service::Api, METRICS.to_owned());
            let mut seen = Seen::of(&scenario);
            for (n, lines) in texts.iter().enumerate() {
                let page = read(&lines.concat(), Format::Prometheus);
                let page = page.map(|samples| Page::Metrics(vec![samples]));
                let page = page.map_err(|error| Blank::Unreadable(error.to_string()));
                let (pages, at) = (BTreeMap::from([(place.clone(), page)]), n as f64 * 0.2);
                seen.take(at, at, Look { pages, ready: 1, others: Pods::default() });
            }
            let observation = seen.observation(&Settings::new());
            let mut run = lab_report::sample::failing();
            run.checks = score::checks(&Measured {
                scenario: &scenario,
                cells: &lab_load::Cells::default(),
                series: &observation.series,
                looks: &observation.looks,
                books: &Books::default(),
                settings: &Settings::new(),
                disturbed: &[],
            });
            run.verdict = score::verdict(&run.checks, lab_record::Validity::Valid);
            run.series = observation.series;
            run.pauses = observation.standstills;
            let folder = tempfile::tempdir().unwrap();
            let reports = Reports::at(folder.path());
            lab_report::write_data(&reports, &run).unwrap();
            let again = reports.run(&run.scenario.name, &run.run_id).unwrap();
            // Reading is quick rather than exact to the last bit.
            let same = |a: f64, b: f64| (a - b).abs() <= a.abs() * 1e-15;
            for (again, series) in again.series.iter().zip(&run.series) {
                prop_assert_eq!(again.points.len(), series.points.len());
                let mut pairs = again.points.iter().zip(&series.points[..]);
                prop_assert!(pairs.all(|(a, b)| same(a.0, b.0) && same(a.1, b.1)));
            }
            prop_assert_eq!(again.checks[0].value.is_some(), run.checks[0].value.is_some());
            prop_assert_eq!(again.pauses.len(), run.pauses.len());
            lab_report::write_run(&reports, &again, &lab_record::Others::default()).unwrap();
        }
    }

    #[test]
    fn what_could_not_be_seen_is_said_once() {
        let scenario = Scenario::parse("pages.toml", SCENARIO).unwrap();
        let place = Place::Metrics(Service::Api, METRICS.to_owned());
        let said = |pages: Vec<Result<Page, Blank>>| {
            let mut seen = Seen::of(&scenario);
            for (n, page) in (0u32..).zip(pages) {
                let pages = BTreeMap::from([(place.clone(), page)]);
                let look = Look {
                    pages,
                    ready: 1,
                    others: Pods::default(),
                };
                seen.take(n.into(), n.into(), look);
            }
            seen.observation(&Settings::new()).complaints
        };
        let page = |text| Ok(Page::Metrics(vec![read(text, Format::Prometheus).unwrap()]));
        let good = || page("a{b=\"c\"} 1\n");
        let away = || Err(Blank::Away("the answer is 404 Not Found".to_owned()));
        let torn = || Err(Blank::Unreadable("line 3".to_owned()));

        // Away for a while, as in a crash.
        assert!(said(vec![good(), away(), good()]).is_empty());
        assert_eq!(
            said(vec![away(), away()]),
            [
                "/metrics of api was never seen: the answer is 404 Not Found; a line `metrics = \"/path\"` at the top of \
                 the scenario names another page"
            ]
        );
        assert_eq!(
            said(vec![torn(), good(), torn()]),
            ["/metrics of api can't be read (2 of 3 looks): line 3"]
        );
        assert_eq!(
            said(vec![good(), page("a 2\na{b=\"c\"} NaN\n")]),
            [
                "series `total` has gaps (1 of 2 looks): `a{b=\"c\"} NaN` is no number",
                "series `rate` has gaps (1 of 2 looks): `a{b=\"c\"} NaN` is no number"
            ]
        );
        assert_eq!(
            said(vec![page("a{b=\"d\\n\"} 1\n")]),
            ["series `rate`: `a{b=\"c\"}` is not on /metrics of api; the page has `a{b=\"d\\n\"}`"]
        );
    }

    #[test]
    fn a_rate_is_the_growth_over_the_last_second() {
        let totals: Vec<(f64, f64)> = (0..=30)
            .map(|i| (f64::from(i) / 10.0, f64::from(i * i)))
            .collect();
        let rates = rates(&totals);
        let (at, rate) = rates[rates.len() - 1];
        assert!((at - 3.0).abs() < 1e-9);
        // From i = 19 to 30 in 1.1 s: (900 − 361) / 1.1.
        assert!((rate - 490.0).abs() < 1.0, "{rate}");
    }

    #[test]
    fn a_restart_is_a_gap() {
        let rates = rates(&[(0.0, 5.0), (0.5, 8.0), (1.0, 1.0), (1.5, 2.0)]);
        assert!(rates.iter().all(|(_, rate)| *rate >= 0.0));
    }
}
