//! Notices when this process itself did not run: a thread that does nothing but sleep wakes up much too late. Code that
//! blocks the service's own threads does not keep this one from waking, so that the two can be told apart. Who sees that
//! the process was kept from its work in another way [notes](note) that here.

use std::sync::{Mutex, PoisonError};
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

/// The latest of this process.
static LATEST: Mutex<Option<Standstill>> = Mutex::new(None);

#[derive(Clone, Copy, Debug)]
struct Standstill {
    ended: Instant,
    lasted: Duration,
}

/// Notes one that ends now.
pub(crate) fn note(lasted: Duration) {
    let ended = Instant::now();
    *LATEST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Standstill { ended, lasted });
}

/// The latest standstill of this process as metrics.
#[derive(Debug)]
pub(crate) struct Standstills(());

impl Standstills {
    /// Watches for them until the process ends.
    pub(crate) fn watch() -> Self {
        let mut begun = Instant::now();
        thread::spawn(move || {
            loop {
                thread::sleep(STEP);
                let ended = Instant::now();
                let lasted = (ended - begun).saturating_sub(STEP);
                if lasted >= LEAST {
                    note(lasted);
                }
                begun = ended;
            }
        });
        Self(())
    }
}

impl Collector for Standstills {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let latest = *LATEST.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Standstill { ended, lasted }) = latest else {
            return Ok(());
        };
        let mut put = |name, help, seconds: Duration| {
            let gauge = ConstGauge::new(seconds.as_secs_f64());
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        put(
            "lab_standstill_seconds",
            "How long this process last stood still or was kept from a core, of times from 200 ms on",
            lasted,
        )?;
        put(
            "lab_standstill_ago_seconds",
            "How long ago that ended",
            ended.elapsed(),
        )
    }
}
