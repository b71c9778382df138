//! The pool of connections as metrics, read at the moment of the look.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::database::Database;

/// A [`Database`] as metrics.
#[derive(Debug)]
pub(super) struct PoolMetrics(pub(super) Database);

impl Collector for PoolMetrics {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), Error> {
        let mut put = |name, help, value: i64| {
            let gauge = ConstGauge::new(value);
            gauge.encode(to.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        let pool = self.0.pool();
        let open = pool.size();
        let idle = (pool.num_idle() as u32).min(open);
        put(
            "lab_pool_connections_max",
            "Connections that the pool may open",
            pool.options().get_max_connections().into(),
        )?;
        put(
            "lab_pool_connections_in_use",
            "Connections of the pool in somebody's hands",
            (open - idle).into(),
        )?;
        put(
            "lab_pool_waiting",
            "Requests that wait for a connection",
            self.0.waiting(),
        )
    }
}
