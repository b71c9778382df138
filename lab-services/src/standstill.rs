//! Notices when this process itself did not run: a thread that does nothing but sleep wakes up much too late. Code that
//! blocks the service's own threads does not keep this one from waking, so that the two can be told apart.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

/// Time between two looks at the clock.
const STEP: Duration = Duration::from_millis(20);

/// From this length on it counts. A container at its CPU limit is stopped for most of each period of 100 ms, which its own
/// code brings about; twice that is somebody else's doing.
const LEAST: Duration = Duration::from_millis(200);

/// Watches for standstills until the process ends, and has the latest as metrics.
#[derive(Debug)]
pub(crate) struct Standstills(Arc<Mutex<Option<Standstill>>>);

#[derive(Clone, Copy, Debug)]
struct Standstill {
    ended: Instant,
    lasted: Duration,
}

impl Standstills {
    pub(crate) fn watch() -> Self {
        let latest = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&latest);
        let mut begun = Instant::now();
        thread::spawn(move || {
            loop {
                thread::sleep(STEP);
                let ended = Instant::now();
                let lasted = (ended - begun).saturating_sub(STEP);
                if lasted >= LEAST {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Standstill { ended, lasted });
                }
                begun = ended;
            }
        });
        Self(latest)
    }
}

impl Collector for Standstills {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let latest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Standstill { ended, lasted }) = latest else {
            return Ok(());
        };
        let mut put = |name, help, seconds: Duration| {
            let gauge = ConstGauge::new(seconds.as_secs_f64());
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        put(
            "lab_standstill_seconds",
            "How long this process last stood still, of times from 200 ms on",
            lasted,
        )?;
        put(
            "lab_standstill_ago_seconds",
            "How long ago that ended",
            ended.elapsed(),
        )
    }
}
