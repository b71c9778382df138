//! The counts of jobs, by kind, and their high-water marks.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::kind::{Kind, OfKind};
use super::waits::Waits;
use crate::metrics::Registry;

/// Upper bounds in seconds of the histogram of queue times.
const QUEUE_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Counters and gauges that each job's [`Ticket`](super::job) moves.
#[derive(Clone)]
pub(crate) struct Counts {
    pub(super) submitted: Family<OfKind, Counter>,
    pub(super) started: Family<OfKind, Counter>,
    pub(super) completed: Family<OfKind, Counter>,
    pub(super) rejected: Family<OfKind, Counter>,
    pub(super) lost: Family<OfKind, Counter>,
    pub(super) queued: Family<OfKind, Gauge>,
    pub(super) running: Family<OfKind, Gauge>,
    pub(super) busy: Gauge,
    /// The largest `busy` so far: a burst of 10 ms falls between two looks.
    pub(super) busy_most: Gauge,
    pub(super) queue_seconds: Family<OfKind, Histogram>,
    pub(super) waits: Waits,
}

impl Counts {
    /// All at zero, for each kind.
    pub(crate) fn new() -> Self {
        let counts = Self {
            submitted: Family::default(),
            started: Family::default(),
            completed: Family::default(),
            rejected: Family::default(),
            lost: Family::default(),
            queued: Family::default(),
            running: Family::default(),
            busy: Gauge::default(),
            busy_most: Gauge::default(),
            queue_seconds: Family::new_with_constructor(|| Histogram::new(QUEUE_SECONDS)),
            waits: Waits::default(),
        };
        for kind in [Kind::Fast, Kind::Slow].map(OfKind::from) {
            for counter in [
                &counts.submitted,
                &counts.started,
                &counts.completed,
                &counts.rejected,
                &counts.lost,
            ] {
                drop(counter.get_or_create(&kind));
            }
            drop(counts.queued.get_or_create(&kind));
            drop(counts.running.get_or_create(&kind));
            drop(counts.queue_seconds.get_or_create(&kind));
        }
        counts
    }

    /// One more worker at work.
    pub(super) fn take_worker(&self) {
        let busy = self.busy.inc() + 1;
        self.busy_most.inner().fetch_max(busy, Ordering::Relaxed);
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "lab_jobs_submitted",
            "Jobs that came in",
            self.submitted.clone(),
        );
        registry.register(
            "lab_jobs_started",
            "Jobs that got a worker",
            self.started.clone(),
        );
        registry.register("lab_jobs_completed", "Jobs done", self.completed.clone());
        registry.register(
            "lab_jobs_rejected",
            "Jobs turned away",
            self.rejected.clone(),
        );
        registry.register(
            "lab_jobs_lost",
            "Jobs neither done nor turned away",
            self.lost.clone(),
        );
        registry.register("lab_jobs_queued", "Jobs that wait", self.queued.clone());
        registry.register("lab_jobs_running", "Jobs at work", self.running.clone());
        registry.register(
            "lab_workers_busy",
            "Workers at work, on any kind",
            self.busy.clone(),
        );
        registry.register(
            "lab_workers_busy_most",
            "Most workers at work at any moment so far",
            self.busy_most.clone(),
        );
        registry.register(
            "lab_job_queue_seconds",
            "From submission to start",
            self.queue_seconds.clone(),
        );
        registry.register_collector(Box::new(self.waits.clone()));
    }
}
