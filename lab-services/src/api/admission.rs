//! The admission limit: so many requests at work at once, over all routes, and a count on each side of it.
//!
//! Each layer is added to the router on its own, never through a `ServiceBuilder`: a route is always ready, so the
//! wait for a slot happens inside of the outer count and not before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::metrics::Registry;

/// Who holds a slot for longer than this hangs: three times what the slowest healthy answer of step 1 takes.
const HANGS: Duration = Duration::from_millis(100);

/// Answers of a case that could not do its work. Their counts are there from the start, so that the first one is growth.
const GIVEN_UP: [&str; 2] = ["503", "504"];

/// The limit and its counts.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    slots: u32,
    in_flight: Gauge,
    lines: Arc<BTreeMap<&'static str, Line>>,
    held: Held,
    requests: Family<Answered, Counter>,
}

/// The requests of one route.
#[derive(Debug, Default)]
struct Line {
    accepted: Gauge,
    admitted: Gauge,
}

/// Where those of a route are counted that no step has named.
const OTHER: &str = "other";

/// An answer, or `cancelled` where the client went away before there was one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: String,
}

impl Admission {
    /// A limit of so many slots for the routes with these paths.
    pub(super) fn new(slots: u32, paths: impl Iterator<Item = &'static str>) -> Self {
        let requests = Family::<Answered, Counter>::default();
        let mut lines = BTreeMap::from([(OTHER, Line::default())]);
        for path in paths {
            lines.insert(path, Line::default());
            for status in GIVEN_UP {
                drop(requests.get_or_create(&Answered {
                    route: path.to_owned(),
                    status: status.to_owned(),
                }));
            }
        }
        Self {
            slots,
            in_flight: Gauge::default(),
            lines: Arc::new(lines),
            held: Held::default(),
            requests,
        }
    }

    /// Puts all routes of `cases` under this one limit.
    pub(super) fn limit(&self, cases: Router) -> Router {
        let limit = GlobalConcurrencyLimitLayer::new(self.slots as usize);
        cases
            .route_layer(from_fn_with_state(self.clone(), count_admitted))
            .route_layer(limit)
            .route_layer(from_fn_with_state(self.clone(), count_accepted))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "lab_http_requests",
            "Requests to /cases, by answer",
            self.requests.clone(),
        );
        registry.register_collector(Box::new(self.clone()));
    }

    fn line(&self, request: &Request) -> &Line {
        let line = self.lines.get(request.uri().path());
        line.unwrap_or_else(|| &self.lines[OTHER])
    }
}

impl Collector for Admission {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut put = |name, help, value: i64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        put(
            "lab_http_requests_in_flight",
            "Requests to /cases, waiting or at work",
            self.in_flight.get(),
        )?;
        put(
            "lab_admission_slots",
            "Requests to /cases that may be at work at once",
            i64::from(self.slots),
        )?;
        let [briefly, long] = self.held.counts(Instant::now());
        let mut in_use = to.encode_descriptor(
            "lab_admission_slots_in_use",
            "Requests to /cases at work, by how long they have been",
            None,
            MetricType::Gauge,
        )?;
        for (held, count) in [("up_to_100ms", briefly), ("over_100ms", long)] {
            ConstGauge::new(count).encode(in_use.encode_family(&[("held", held)])?)?;
        }
        let mut waiting = to.encode_descriptor(
            "lab_admission_waiting",
            "Requests to /cases that wait for a slot, by route",
            None,
            MetricType::Gauge,
        )?;
        for (route, line) in &*self.lines {
            let count = (line.accepted.get() - line.admitted.get()).max(0);
            if count > 0 || *route != OTHER {
                ConstGauge::new(count).encode(waiting.encode_family(&[("route", *route)])?)?;
            }
        }
        Ok(())
    }
}

async fn count_accepted(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let mut accepted = Accepted {
        _in_line: Counted::start(admission.line(&request).accepted.clone()),
        _in_flight: Counted::start(admission.in_flight),
        requests: admission.requests,
        answered: Answered {
            route: request.uri().path().to_owned(),
            status: "cancelled".to_owned(),
        },
    };
    let response = next.run(request).await;
    response
        .status()
        .as_str()
        .clone_into(&mut accepted.answered.status);
    response
}

async fn count_admitted(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let _admitted = Counted::start(admission.line(&request).admitted.clone());
    let _slot = admission.held.hold(Instant::now());
    next.run(request).await
}

/// The slots in use, each since when.
#[derive(Clone, Debug, Default)]
struct Held(Arc<Mutex<BTreeMap<Instant, i64>>>);

impl Held {
    /// One more, for as long as what it returns lives.
    fn hold(&self, now: Instant) -> Slot {
        *self.since().entry(now).or_default() += 1;
        Slot(self.clone(), now)
    }

    /// Those held up to [`HANGS`], and those held longer.
    fn counts(&self, now: Instant) -> [i64; 2] {
        let since = self.since();
        let long: i64 = now.checked_sub(HANGS).map_or(0, |limit| {
            since.range(..limit).map(|(_, count)| count).sum()
        });
        [since.values().sum::<i64>() - long, long]
    }

    fn since(&self) -> MutexGuard<'_, BTreeMap<Instant, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot that is held since a moment.
struct Slot(Held, Instant);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut since = self.0.since();
        if let Some(count) = since.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                since.remove(&self.1);
            }
        }
    }
}

/// One more in a gauge, for as long as it lives.
struct Counted(Gauge);

impl Counted {
    fn start(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A request, from when it is accepted until it has an answer or its client is gone.
struct Accepted {
    _in_line: Counted,
    _in_flight: Counted,
    requests: Family<Answered, Counter>,
    answered: Answered,
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.requests.get_or_create(&self.answered).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_hangs_once_it_was_held_for_longer_than_a_healthy_answer_takes() {
        let (held, start) = (Held::default(), Instant::now());
        let counts = |after| held.counts(start + Duration::from_millis(after));
        let first = held.hold(start);
        let second = held.hold(start);
        let third = held.hold(start + Duration::from_millis(80));
        assert_eq!(counts(100), [3, 0]);
        assert_eq!(counts(101), [1, 2]);
        drop(first);
        assert_eq!(counts(101), [1, 1]);
        assert_eq!(counts(181), [0, 2]);
        drop((second, third));
        assert_eq!(counts(181), [0, 0]);
    }
}
