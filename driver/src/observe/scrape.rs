//! One look at the services: their metrics pages and the database statistics, all at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lab_load::{Endpoint, Service, Targets};
use prometheus_parse::{Sample, Scrape, Value};

use crate::scenario::{Scenario, Source};

/// A look that takes longer is given up: the chart shows a gap, and the next look is on time.
const PATIENCE: Duration = Duration::from_millis(500);

/// What there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// `/metrics` of all replicas of a service.
    Metrics(Service),
    /// `/debug/dbstats` of the auditor.
    Dbstats,
}

/// What a place showed.
pub(super) enum Page {
    /// The metrics of every replica.
    Metrics(Vec<Sample>),
    /// A JSON document.
    Json(serde_json::Value),
}

/// Fetches what the series of a scenario need, and no more.
pub(super) struct Scraper {
    http: reqwest::Client,
    places: BTreeSet<Place>,
}

impl Scraper {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let places = scenario
            .series
            .iter()
            .filter_map(|series| match &series.source {
                Source::Metric(metric) | Source::Rate(metric) => {
                    Some(Place::Metrics(metric.service))
                }
                Source::Dbstats(_) => Some(Place::Dbstats),
                Source::Replicas(_) => None,
            });
        // The workshop's services say when they stood still.
        let (api, worker) = (&scenario.services.api, &scenario.services.worker);
        let ours = [
            (api.is_some(), Service::Api),
            (api.is_some(), Service::Dep),
            (
                api.as_ref().is_some_and(|api| api.database),
                Service::Auditor,
            ),
            (worker.is_some(), Service::Worker),
        ];
        let ours = ours.into_iter().filter(|(there, _)| *there);
        Self {
            http: crate::http::client(),
            places: places
                .chain(ours.map(|(_, service)| Place::Metrics(service)))
                .collect(),
        }
    }

    /// Whether every place has answered.
    pub(super) fn saw_all(&self, pages: &BTreeMap<Place, Page>) -> bool {
        self.places.iter().all(|place| pages.contains_key(place))
    }

    /// Looks at every place at the same time; what did not answer is missing.
    pub(super) async fn look(&self, targets: &Targets) -> BTreeMap<Place, Page> {
        let mut looks = tokio::task::JoinSet::new();
        for &place in &self.places {
            let http = self.http.clone();
            let targets = targets.clone();
            looks.spawn(async move { Some((place, page(&http, place, &targets).await?)) });
        }
        looks.join_all().await.into_iter().flatten().collect()
    }
}

async fn page(http: &reqwest::Client, place: Place, targets: &Targets) -> Option<Page> {
    match place {
        Place::Metrics(service) => {
            let mut samples = Vec::new();
            // One missing replica would look like a fall of the sum: all or nothing.
            for endpoint in targets.of(service) {
                samples.extend(metrics(http, endpoint).await?);
            }
            Some(Page::Metrics(samples))
        }
        Place::Dbstats => {
            let endpoint = targets.of(Service::Auditor).first()?;
            let text = get(http, endpoint, "/debug/dbstats").await?;
            serde_json::from_str(&text).ok().map(Page::Json)
        }
    }
}

/// The metrics of one process.
async fn metrics(http: &reqwest::Client, endpoint: &Endpoint) -> Option<Vec<Sample>> {
    read_metrics(&get(http, endpoint, "/metrics").await?)
}

/// The samples on a page in Prometheus' text format; none where it is not one.
pub fn read_metrics(text: &str) -> Option<Vec<Sample>> {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    Some(Scrape::parse(lines).ok()?.samples)
}

/// CPU seconds that a replica of the api has used so far.
pub(crate) async fn cpu_seconds(http: &reqwest::Client, endpoint: &Endpoint) -> Option<f64> {
    sum(
        &metrics(http, endpoint).await?,
        "lab_cpu_usage_seconds_total",
        &BTreeMap::new(),
    )
}

async fn get(http: &reqwest::Client, endpoint: &Endpoint, path: &str) -> Option<String> {
    let request = http.get(format!("{endpoint}{path}")).timeout(PATIENCE);
    let response = request.send().await.ok()?.error_for_status().ok()?;
    response.text().await.ok()
}

impl Page {
    /// The sum of a metric's values over the replicas and over the labels that are not asked for;
    /// none where no replica has it.
    pub(super) fn metric(&self, name: &str, labels: &BTreeMap<String, String>) -> Option<f64> {
        let Self::Metrics(samples) = self else {
            return None;
        };
        sum(samples, name, labels)
    }

    /// Length and end, in seconds and seconds ago, of the latest standstill of each replica that had one.
    pub(super) fn standstills(&self) -> Vec<(f64, f64)> {
        let Self::Metrics(samples) = self else {
            return Vec::new();
        };
        let values = |name: &'static str| {
            let samples = samples.iter().filter(move |sample| sample.metric == name);
            samples.filter_map(|sample| match sample.value {
                Value::Gauge(value) | Value::Untyped(value) => Some(value),
                _ => None,
            })
        };
        // A process has both or neither, so they stand in the same order.
        let lengths = values("lab_standstill_seconds");
        lengths.zip(values("lab_standstill_ago_seconds")).collect()
    }

    /// A number in a JSON document, by its path with dots.
    pub(super) fn field(&self, path: &str) -> Option<f64> {
        let Self::Json(document) = self else {
            return None;
        };
        path.split('.')
            .try_fold(document, |value, key| value.get(key))?
            .as_f64()
    }
}

/// The sum of the values of a metric whose labels include those given.
fn sum(samples: &[Sample], name: &str, labels: &BTreeMap<String, String>) -> Option<f64> {
    samples
        .iter()
        .filter(|sample| sample.metric == name)
        .filter(|sample| {
            labels
                .iter()
                .all(|(key, value)| sample.labels.get(key) == Some(value))
        })
        .filter_map(|sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => Some(value),
            Value::Histogram(_) | Value::Summary(_) => None,
        })
        .reduce(|sum, value| sum + value)
}
