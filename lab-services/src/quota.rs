//! The CPU of a service. On a laptop its quota is emulated: so much CPU time in each period of 100 ms, shared by all
//! requests in slices of 5 ms, as the bandwidth control of Linux does it. What isn't used is not kept.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

use crate::cgroup::{Cgroup, Millicores, Totals};
use crate::hunger::Hunger;
use crate::{cpu, standstill};

/// The period of Linux's `cpu.max` where nothing else is set.
const PERIOD: Duration = Duration::from_millis(100);

/// What a thread takes from the quota at once; Linux's `sched_cfs_bandwidth_slice_us`.
const SLICE: Duration = Duration::from_millis(5);

/// What a quota gives in each period.
fn per_period(quota: Millicores) -> Duration {
    PERIOD * quota.0 / 1000
}

/// The CPU of one service: spends CPU time under the quota, and counts it.
#[derive(Debug)]
pub(crate) struct Cpu {
    quota: Option<Millicores>,
    /// The limit that the system itself sets, where none is emulated.
    cgroup: Option<Cgroup>,
    epoch: Instant,
    /// Where the system sets the limit: one burn a core at a time. A pod at its limit would otherwise have a hundred
    /// threads that burn, and the one that answers its probes among them.
    cores: tokio::sync::Semaphore,
    /// Held while waiting for CPU time. Its queue is fair, so that requests take turns, slice by slice.
    turn: tokio::sync::Mutex<()>,
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    used: Duration,
    bucket: Bucket,
    hunger: Hunger,
}

impl Cpu {
    /// A CPU with an emulated quota; for 0 millicores, with the limit of the control group, if it has one.
    pub(crate) fn new(quota: Millicores) -> Self {
        Self {
            quota: (quota.0 > 0).then_some(quota),
            cgroup: (quota.0 == 0).then(Cgroup::limited).flatten(),
            epoch: Instant::now(),
            // On Linux this heeds the limit of the control group.
            cores: tokio::sync::Semaphore::new(available_parallelism().map_or(1, NonZero::get)),
            turn: tokio::sync::Mutex::default(),
            account: Mutex::new(Account {
                used: Duration::ZERO,
                bucket: Bucket::new(per_period(quota)),
                hunger: Hunger::new(f64::from(quota.0) / 1000.0),
            }),
        }
    }

    /// Burns `amount` of CPU time, which takes longer where the quota says so.
    pub(crate) async fn burn(&self, amount: Duration) {
        let mut left = amount;
        while left > Duration::ZERO {
            let _core = if self.quota.is_none() {
                self.cores.acquire().await.ok()
            } else {
                None
            };
            let granted = self.wait_for_slice(left).await;
            self.account().hunger.begin(self.epoch.elapsed());
            let used = tokio::task::spawn_blocking(move || cpu::burn(granted))
                .await
                .unwrap_or(granted);
            self.book(granted, used);
            left = left.saturating_sub(used);
        }
    }

    fn book(&self, granted: Duration, used: Duration) {
        let now = self.epoch.elapsed();
        let mut account = self.account();
        account.used += used;
        account.bucket.charge(used.saturating_sub(granted));
        if let Some(lasted) = account.hunger.end(now, used)
            && self.quota.is_some()
        {
            standstill::note(lasted);
        }
    }

    async fn wait_for_slice(&self, want: Duration) -> Duration {
        if self.quota.is_none() {
            return want.min(SLICE);
        }
        let _turn = self.turn.lock().await;
        loop {
            let taken = self
                .account()
                .bucket
                .take(self.epoch.elapsed(), want.min(SLICE));
            match taken {
                Taken::Granted(slice) => return slice,
                Taken::NotBefore(moment) => tokio::time::sleep_until(self.epoch + moment).await,
            }
        }
    }

    fn account(&self) -> std::sync::MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a [`Bucket`] gives. Moments count from the bucket's own beginning.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Granted(Duration),
    NotBefore(Duration),
}

/// The arithmetic of the quota. Knows no clock: each call says what time it is.
#[derive(Debug)]
struct Bucket {
    per_period: Duration,
    left: Duration,
    /// Use beyond what was granted, taken off what comes next.
    debt: Duration,
    /// Number of the period that `left` belongs to, once there was one.
    current: Option<u32>,
    throttled: bool,
    totals: Totals,
}

impl Bucket {
    fn new(per_period: Duration) -> Self {
        let (left, debt) = (Duration::ZERO, Duration::ZERO);
        Self {
            per_period,
            left,
            debt,
            current: None,
            throttled: false,
            totals: Totals::default(),
        }
    }

    /// Takes up to `want`, or says when to ask again.
    fn take(&mut self, now: Duration, want: Duration) -> Taken {
        let period = (now.as_nanos() / PERIOD.as_nanos()) as u32;
        if self.current != Some(period) {
            self.begin(period);
        }
        if self.left > Duration::ZERO {
            let slice = want.min(self.left);
            self.left -= slice;
            return Taken::Granted(slice);
        }
        let next = PERIOD * (period + 1);
        if !self.throttled {
            self.throttled = true;
            self.totals.throttled_periods += 1;
            self.totals.throttled += next.saturating_sub(now);
        }
        Taken::NotBefore(next)
    }

    /// Books use beyond a grant.
    fn charge(&mut self, overrun: Duration) {
        self.debt += overrun;
    }

    fn begin(&mut self, period: u32) {
        let repaid = self.debt.min(self.per_period);
        self.debt -= repaid;
        self.left = self.per_period.saturating_sub(repaid);
        self.current = Some(period);
        self.throttled = false;
        self.totals.periods += 1;
    }
}

/// A [`Cpu`] as metrics.
#[derive(Debug)]
pub(crate) struct CpuMetrics(pub(crate) std::sync::Arc<Cpu>);

impl Collector for CpuMetrics {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (used, totals) = {
            let account = self.0.account();
            (account.used, account.bucket.totals)
        };
        let cgroup = self.0.cgroup.as_ref();
        let limit = self.0.quota.or(cgroup.map(|cgroup| cgroup.limit));
        let totals = cgroup.map_or(totals, Cgroup::totals);
        let millicores = ConstGauge::new(limit.map_or(0, |limit| i64::from(limit.0)));
        let mut put = |name, help, metric: &dyn EncodeMetric| {
            metric.encode(to.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        put(
            "lab_cpu_quota_millicores",
            "CPU limit, emulated or of the container; 0 is none",
            &millicores,
        )?;
        put(
            "lab_cpu_usage_seconds",
            "CPU time that cases have burned",
            &ConstCounter::new(used.as_secs_f64()),
        )?;
        put(
            "lab_cpu_periods",
            "Quota periods with work",
            &ConstCounter::new(totals.periods),
        )?;
        put(
            "lab_cpu_throttled_periods",
            "Quota periods that ran out",
            &ConstCounter::new(totals.throttled_periods),
        )?;
        let throttled = ConstCounter::new(totals.throttled.as_secs_f64());
        put(
            "lab_cpu_throttled_seconds",
            "Time that work waited for the next period",
            &throttled,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn bucket(millicores: u32) -> Bucket {
        Bucket::new(per_period(Millicores(millicores)))
    }

    #[test]
    fn a_period_gives_its_share_and_no_more() {
        let mut bucket = bucket(200);
        assert_eq!(bucket.take(ms(0), ms(15)), Taken::Granted(ms(15)));
        assert_eq!(bucket.take(ms(30), ms(15)), Taken::Granted(ms(5)));
        assert_eq!(bucket.take(ms(40), ms(15)), Taken::NotBefore(ms(100)));
        assert_eq!(bucket.take(ms(100), ms(15)), Taken::Granted(ms(15)));
    }

    #[test]
    fn what_is_not_used_is_not_kept() {
        let mut bucket = bucket(200);
        assert_eq!(bucket.take(ms(0), ms(1)), Taken::Granted(ms(1)));
        assert_eq!(bucket.take(ms(900), ms(90)), Taken::Granted(ms(20)));
        assert_eq!(bucket.take(ms(901), ms(1)), Taken::NotBefore(ms(1000)));
    }

    #[test]
    fn a_throttled_period_counts_once_from_when_it_ran_out() {
        let mut bucket = bucket(200);
        bucket.take(ms(0), ms(20));
        for now in [40, 50, 60] {
            assert_eq!(bucket.take(ms(now), ms(5)), Taken::NotBefore(ms(100)));
        }
        bucket.take(ms(250), ms(5));
        assert_eq!(
            bucket.totals,
            Totals {
                periods: 2,
                throttled_periods: 1,
                throttled: ms(60)
            }
        );
    }

    #[test]
    fn an_overrun_is_paid_back_over_the_next_periods() {
        let mut bucket = bucket(200);
        bucket.take(ms(0), ms(20));
        bucket.charge(ms(30));
        assert_eq!(bucket.take(ms(100), ms(20)), Taken::NotBefore(ms(200)));
        assert_eq!(bucket.take(ms(200), ms(20)), Taken::Granted(ms(10)));
    }

    #[test]
    fn demand_of_twice_the_quota_gets_the_quota() {
        let mut bucket = bucket(200);
        let (mut now, mut granted) = (ms(0), ms(0));
        while now < ms(10_000) {
            match bucket.take(now, SLICE) {
                Taken::Granted(slice) => {
                    granted += slice;
                    now += slice;
                }
                Taken::NotBefore(moment) => now = moment,
            }
        }
        assert_eq!(granted, ms(2_000));
        assert_eq!(bucket.totals.periods, 100);
        assert_eq!(bucket.totals.throttled_periods, 100);
    }
}
