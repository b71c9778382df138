//! Somebody's own service, as the load met it.

use serde::{Deserialize, Serialize};

/// Where the name of a service of somebody's led.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Target {
    /// Its addresses: first those that requests took turns on, in the order of the turns.
    pub addresses: Vec<Address>,
    /// Handshakes of TLS; none for plain HTTP.
    pub handshakes: Option<Handshakes>,
}

/// An address of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Address {
    /// IP address and port, e.g. `[::1]:8080`.
    pub address: String,
    /// Requests that were meant for it.
    pub requests: u64,
    /// Connections that it did not take during the run.
    pub refused: u64,
    /// Why it got no request: it took no connection before the run. None where it did.
    pub left_out: Option<String>,
}

/// Handshakes of TLS, those of connections that were opened before the start too. What a request waited for one is part of
/// its latency; here they stand by themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Handshakes {
    /// How many there were.
    pub count: u64,
    /// Median, milliseconds, without the TCP connect before.
    pub p50_ms: f64,
    /// The longest, milliseconds.
    pub max_ms: f64,
}
