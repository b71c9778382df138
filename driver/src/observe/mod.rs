//! What happens inside the services while the load runs: their metrics, the api's view of its
//! database and the number of replicas, as series over time.

mod scrape;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lab_load::Targets;
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

/// Looks at the services until told to stop, then once more, and gives the series of the scenario,
/// in its order. Times count from `t0`. A look that failed leaves a gap.
pub async fn observe(
    scenario: Scenario,
    settings: Settings,
    targets: watch::Receiver<Targets>,
    desired: Desired,
    t0: Instant,
    stop: CancellationToken,
) -> Vec<lab_record::Series> {
    let scraper = Scraper::new(&scenario);
    let mut points: Vec<Vec<(f64, f64)>> = vec![Vec::new(); scenario.series.len()];
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let last = tokio::select! {
            biased;
            () = stop.cancelled() => true,
            _ = ticks.tick() => false,
        };
        let at = t0.elapsed().as_secs_f64();
        let now = targets.borrow().clone();
        let look = Look {
            pages: scraper.look(&now).await,
            ready: now.api.len(),
            desired: *desired.borrow(),
        };
        for (series, points) in scenario.series.iter().zip(&mut points) {
            points.extend(look.value(&series.source).map(|value| (at, value)));
        }
        if last {
            break;
        }
    }
    let finished = scenario.series.iter().zip(points);
    finished
        .map(|(series, points)| record(series, &settings, points))
        .collect()
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
    use super::rates;

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
