//! What is counted of all work, by criticality, and how old the oldest was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};

use super::{Criticality, State};
use crate::longest_wait::LongestWait;
use crate::metrics::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    criticality: Criticality,
}

/// Counters and gauges that each ticket moves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    completed: Family<Of, Counter>,
    rejected: Family<Of, Counter>,
    lost: Family<Of, Counter>,
    waiting: Family<Of, Gauge>,
    running: Family<Of, Gauge>,
    busy: Gauge,
    /// The largest `busy` so far.
    busy_most: Gauge,
    rejection_cpu: Counter<f64, AtomicU64>,
    ages: Ages,
}

impl Books {
    /// All at zero, for each class, and on the page of metrics.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let books = Self::default();
        for criticality in [Criticality::Critical, Criticality::Sheddable] {
            let of = Of { criticality };
            for counter in [&books.completed, &books.rejected, &books.lost] {
                drop(counter.get_or_create(&of));
            }
            for gauge in [&books.waiting, &books.running] {
                drop(gauge.get_or_create(&of));
            }
        }
        for (name, help, counter) in [
            ("lab_work_completed", "Work done", &books.completed),
            ("lab_work_rejected", "Work turned away", &books.rejected),
            (
                "lab_work_lost",
                "Work neither done nor turned away",
                &books.lost,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register("lab_work_waiting", "Work in line", books.waiting.clone());
        registry.register("lab_work_running", "Work under way", books.running.clone());
        registry.register(
            "lab_work_running_most",
            "Most work under way at any moment so far",
            books.busy_most.clone(),
        );
        registry.register(
            "lab_work_rejection_cpu_seconds",
            "CPU time until the decision on work that was turned away",
            books.rejection_cpu.clone(),
        );
        registry.register_collector(Box::new(books.ages.clone()));
        books
    }

    /// One more in line.
    pub(super) fn arrived(&self, criticality: Criticality, at: Instant) {
        self.waiting.get_or_create(&Of { criticality }).inc();
        self.ages.lock().begin(at);
    }

    /// It is no longer in line.
    pub(super) fn waited(&self, since: Instant) {
        self.ages.lock().end(since, Instant::now());
    }

    pub(super) fn rejected_for(&self, cpu: Duration) {
        self.rejection_cpu.inc_by(cpu.as_secs_f64());
    }

    pub(super) fn count(&self, criticality: Criticality, from: State, to: State) {
        let of = Of { criticality };
        if from == State::Waiting {
            self.waiting.get_or_create(&of).dec();
        } else {
            self.running.get_or_create(&of).dec();
            self.busy.dec();
        }
        match to {
            State::Running => {
                self.running.get_or_create(&of).inc();
                let busy = self.busy.inc() + 1;
                self.busy_most.inner().fetch_max(busy, Ordering::Relaxed);
            }
            State::Done => drop(self.completed.get_or_create(&of).inc()),
            State::Rejected => drop(self.rejected.get_or_create(&of).inc()),
            State::Lost | State::Waiting => drop(self.lost.get_or_create(&of).inc()),
        }
    }
}

/// How old work was when it was started or turned away, the oldest so far; what waits still counts as well.
#[derive(Clone, Debug, Default)]
struct Ages(Arc<Mutex<LongestWait>>);

impl Ages {
    fn lock(&self) -> MutexGuard<'_, LongestWait> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Ages {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let age = self.lock().so_far(Instant::now());
        let metric = to.encode_descriptor(
            "lab_work_oldest_seconds",
            "Age of the oldest work so far when it was started or turned away, of what waits still as well",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(age.as_secs_f64()).encode(metric)
    }
}
