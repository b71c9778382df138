//! One look at the services: their metrics pages and the database statistics, all at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use lab_exposition::{Format, Sample, read};
use lab_load::{Endpoint, Service, Targets};
use reqwest::header::CONTENT_TYPE;

use super::select::{self, Unseen};
use crate::scenario::{METRICS, Metric, Scenario, Source};

/// A look that takes longer is given up: the chart shows a gap, and the next look is on time.
const PATIENCE: Duration = Duration::from_millis(500);

const DBSTATS: &str = "/debug/dbstats";

/// What there is to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The page of metrics of all replicas of a service, at this path of each.
    Metrics(Service, String),
    /// `/debug/dbstats` of the auditor.
    Dbstats,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metrics(service, path) => write!(f, "{path} of {service}"),
            Self::Dbstats => write!(f, "{DBSTATS} of {}", Service::Auditor),
        }
    }
}

/// What a place showed.
#[derive(Debug)]
pub(super) enum Page {
    /// The metrics of every replica.
    Metrics(Vec<Vec<Sample>>),
    /// A JSON document.
    Json(serde_json::Value),
}

/// Why a place showed nothing.
#[derive(Debug)]
pub(super) enum Blank {
    /// There was no answer in time, or one that is no page.
    Away(String),
    /// What it answered can't be read.
    Unreadable(String),
}

/// What became of one look at each place.
pub(super) type Pages = BTreeMap<Place, Result<Page, Blank>>;

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
            .filter_map(|series| Place::of(scenario, &series.source));
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
                .chain(ours.map(|(_, service)| Place::Metrics(service, METRICS.to_owned())))
                .collect(),
        }
    }

    /// Looks at every place at the same time.
    pub(super) async fn look(&self, targets: &Targets) -> Pages {
        let mut looks = tokio::task::JoinSet::new();
        for place in &self.places {
            let (http, place, targets) = (self.http.clone(), place.clone(), targets.clone());
            looks.spawn(async move {
                let page = page(&http, &place, &targets).await;
                (place, page)
            });
        }
        looks.join_all().await.into_iter().collect()
    }
}

impl Place {
    /// Where the values of a series are; none where nobody need be asked.
    pub(super) fn of(scenario: &Scenario, source: &Source) -> Option<Self> {
        match source {
            Source::Metric(metric) | Source::Rate(metric) => {
                Some(Self::Metrics(metric.service, scenario.metrics.clone()))
            }
            Source::Dbstats(_) => Some(Self::Dbstats),
            Source::Replicas(_) => None,
        }
    }
}

async fn page(http: &reqwest::Client, place: &Place, targets: &Targets) -> Result<Page, Blank> {
    match place {
        Place::Metrics(service, path) => {
            let mut replicas = Vec::new();
            // One missing replica would look like a fall of the sum: all or nothing.
            for endpoint in targets.of(*service) {
                replicas.push(metrics(http, endpoint, path).await?);
            }
            Ok(Page::Metrics(replicas))
        }
        Place::Dbstats => {
            let none = || Blank::Away("there is no auditor".to_owned());
            let endpoint = targets.of(Service::Auditor).first().ok_or_else(none)?;
            let (_, text) = get(http, endpoint, DBSTATS).await?;
            let json = serde_json::from_str(&text).map(Page::Json);
            json.map_err(|error| Blank::Unreadable(error.to_string()))
        }
    }
}

/// The metrics of one process.
async fn metrics(
    http: &reqwest::Client,
    endpoint: &Endpoint,
    path: &str,
) -> Result<Vec<Sample>, Blank> {
    let (format, text) = get(http, endpoint, path).await?;
    read(&text, format).map_err(|error| Blank::Unreadable(error.to_string()))
}

/// CPU seconds that a replica of the api has used so far.
pub(crate) async fn cpu_seconds(http: &reqwest::Client, endpoint: &Endpoint) -> Option<f64> {
    let metric = Metric::named(Service::Api, "lab_cpu_usage_seconds_total");
    let page = metrics(http, endpoint, METRICS).await.ok()?;
    select::value(&[page], &metric).ok()
}

/// The text behind a path, and what its `content-type` says of it.
async fn get(
    http: &reqwest::Client,
    endpoint: &Endpoint,
    path: &str,
) -> Result<(Format, String), Blank> {
    let away = |error: reqwest::Error| Blank::Away(lab_say::reason(&error.without_url()));
    let request = http.get(format!("{endpoint}{path}")).timeout(PATIENCE);
    let response = request.send().await.map_err(away)?;
    if !response.status().is_success() {
        return Err(Blank::Away(format!("the answer is {}", response.status())));
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let format = Format::of(content_type.map_or("", |name| name.to_str().unwrap_or_default()));
    let body = response.bytes().await.map_err(away)?;
    match String::from_utf8(body.into()) {
        Ok(text) => Ok((format, text)),
        Err(error) => Err(Blank::Unreadable(format!(
            "byte {} is no UTF-8",
            error.utf8_error().valid_up_to()
        ))),
    }
}

impl Page {
    /// Length and end, as a length of time ago, of the latest standstill of each replica that had one.
    pub(super) fn standstills(&self) -> Vec<(Duration, Duration)> {
        let Self::Metrics(replicas) = self else {
            return Vec::new();
        };
        let seconds = |page: &[Sample], name: &str| {
            let value = page.iter().find(|sample| sample.name == name)?.value;
            Duration::try_from_secs_f64(value).ok()
        };
        let of = |page: &Vec<Sample>| {
            let length = seconds(page, "lab_standstill_seconds")?;
            Some((length, seconds(page, "lab_standstill_ago_seconds")?))
        };
        replicas.iter().filter_map(of).collect()
    }

    /// The value of a source.
    pub(super) fn value(&self, source: &Source) -> Result<f64, Unseen> {
        match (self, source) {
            (Self::Metrics(pages), Source::Metric(metric) | Source::Rate(metric)) => {
                select::value(pages, metric)
            }
            (Self::Json(document), Source::Dbstats(path)) => field(document, path),
            _ => Err(Unseen::Absent),
        }
    }

    /// What it has in place of a source that is not on it.
    pub(super) fn instead_of(&self, source: &Source) -> String {
        match (self, source) {
            (Self::Metrics(pages), Source::Metric(metric) | Source::Rate(metric)) => {
                select::near(pages, metric)
            }
            (Self::Json(document), _) => format!("it says {document}"),
            _ => String::new(),
        }
    }
}

/// A number in a JSON document, by its path with dots.
fn field(document: &serde_json::Value, path: &str) -> Result<f64, Unseen> {
    path.split('.')
        .try_fold(document, |value, key| value.get(key))
        .and_then(serde_json::Value::as_f64)
        .ok_or(Unseen::Absent)
}
