//! The client for the few requests that are not load.

/// A client that connects where it is told: the services are on this machine or behind a port of it, and a
/// proxy for the Internet, which the environment may name, can't reach them.
///
/// # Panics
///
/// Where the system's random numbers or certificates can't be had.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client without options can be made")
}
