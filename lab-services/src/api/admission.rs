//! The admission limit: so many requests at work at once, over all routes, and a count on each side of it.
//!
//! Each layer is added to the router on its own, never through a `ServiceBuilder`: a route is always ready, so the
//! wait for a slot happens inside of the outer count and not before it.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::metrics::Registry;

/// The limit and its counts.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    slots: u32,
    in_flight: Gauge,
    in_use: Gauge,
    requests: Family<Answered, Counter>,
}

/// An answer, or `cancelled` where the client went away before there was one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: String,
}

impl Admission {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            slots,
            in_flight: Gauge::default(),
            in_use: Gauge::default(),
            requests: Family::default(),
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
}

impl Collector for Admission {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut put = |name, help, value: i64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        let (in_flight, in_use) = (self.in_flight.get(), self.in_use.get());
        put(
            "lab_http_requests_in_flight",
            "Requests to /cases, waiting or at work",
            in_flight,
        )?;
        put(
            "lab_admission_slots",
            "Requests to /cases that may be at work at once",
            i64::from(self.slots),
        )?;
        put(
            "lab_admission_slots_in_use",
            "Requests to /cases at work",
            in_use,
        )?;
        put(
            "lab_admission_waiting",
            "Requests to /cases that wait for a slot",
            (in_flight - in_use).max(0),
        )
    }
}

async fn count_accepted(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Response {
    let mut accepted = Accepted {
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
    let _in_use = Counted::start(admission.in_use);
    next.run(request).await
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
    _in_flight: Counted,
    requests: Family<Answered, Counter>,
    answered: Answered,
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.requests.get_or_create(&self.answered).inc();
    }
}
