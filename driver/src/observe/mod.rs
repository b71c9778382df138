//! What happens inside the services while the load runs: their metrics, the api's view of its
//! database and the number of replicas, as series over time.

mod scrape;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lab_load::{Service, Targets};
use lab_record::Pause;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::scenario::{Replicas, Scenario, Series, Settings, Source};
pub(crate) use scrape::cpu_seconds;
pub use scrape::read_metrics;
use scrape::{Page, Scraper};

/// Time between two looks. Short against the 200 ms of the shortest thing to see (a transaction that
/// spans a call of `dep`), long against the millisecond that a look costs.
const INTERVAL: Duration = Duration::from_millis(100);

/// A counter's growth is taken over this long, so that single 100 ms periods don't make it jump.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Replicas that the autoscaler asks for; the platform knows those that are ready.
pub type Desired = watch::Receiver<u32>;

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
}

/// Looks at the services until told to stop, then until all was seen once more. Times count from `t0`. A look
/// that failed leaves a gap.
pub async fn observe(
    scenario: Scenario,
    settings: Settings,
    targets: watch::Receiver<Targets>,
    desired: Desired,
    t0: Instant,
    stop: Stop,
) -> Observation {
    let scraper = Scraper::new(&scenario);
    let mut looks = Vec::new();
    let mut standstills = Standstills::default();
    let mut points: Vec<Vec<(f64, f64)>> = vec![Vec::new(); scenario.series.len()];
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
            desired: *desired.borrow(),
        };
        looks.push(at);
        standstills.note(&look, t0.elapsed().as_secs_f64());
        for (series, points) in scenario.series.iter().zip(&mut points) {
            points.extend(look.value(&series.source).map(|value| (at, value)));
        }
        let seen = || scraper.saw_all(&look.pages) || stop.at_once.is_cancelled();
        if deadline.is_some_and(|deadline| seen() || Instant::now() > deadline) {
            break;
        }
    }
    let finished = scenario.series.iter().zip(points);
    Observation {
        series: finished
            .map(|(series, points)| record(series, &settings, points))
            .collect(),
        looks,
        standstills: standstills.pauses(),
    }
}

/// Standstills of services, each known by its length, with the earliest end that a look gave it: what a look takes
/// only makes it later.
#[derive(Default)]
struct Standstills(BTreeMap<(Service, u64), f64>);

impl Standstills {
    /// Takes in what a look showed; `now` is the time after it.
    fn note(&mut self, look: &Look, now: f64) {
        for (place, page) in &look.pages {
            let scrape::Place::Metrics(service) = place else {
                continue;
            };
            for (length, ago) in page.standstills() {
                let end = self.0.entry((*service, length.to_bits())).or_insert(now);
                *end = end.min(now - ago);
            }
        }
    }

    /// Those of the run, in order of time.
    fn pauses(self) -> Vec<Pause> {
        let mut pauses: Vec<Pause> = self
            .0
            .into_iter()
            .map(|((service, length), end_s)| {
                let length = f64::from_bits(length);
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
    pages: BTreeMap<scrape::Place, Page>,
    ready: usize,
    desired: u32,
}

impl Look {
    fn value(&self, source: &Source) -> Option<f64> {
        match source {
            Source::Metric(metric) | Source::Rate(metric) => {
                let page = self.pages.get(&scrape::Place::Metrics(metric.service))?;
                Some(page.metric(&metric.name, &metric.labels)? * metric.times)
            }
            Source::Dbstats(field) => self.pages.get(&scrape::Place::Dbstats)?.field(field),
            Source::Replicas(Replicas::Ready) => Some(self.ready as f64),
            Source::Replicas(Replicas::Desired) => Some(f64::from(self.desired)),
        }
    }
}

fn record(series: &Series, settings: &Settings, points: Vec<(f64, f64)>) -> lab_record::Series {
    let points = match series.source {
        Source::Rate(_) => rates(&points),
        _ => points,
    };
    lab_record::Series {
        id: series.id.clone(),
        label: series.label.clone(),
        unit: series.unit.clone(),
        chart: series.chart.clone(),
        limit: series
            .bound
            .as_ref()
            .and_then(|bound| Some((bound.label.clone(), bound.value.resolve(settings)?))),
        points,
    }
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
    use super::*;

    #[test]
    fn a_standstill_ends_when_the_quickest_look_says() {
        let mut standstills = Standstills::default();
        let mut look = |text: &str, now| {
            let page = Page::Metrics(read_metrics(text).unwrap());
            let look = Look {
                pages: BTreeMap::from([(scrape::Place::Metrics(Service::Api), page)]),
                ready: 1,
                desired: 1,
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
