//! Where a name leads.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// Longer than any connect that a measurement could live with.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// The first address of a name, in the resolver's order, that takes a connection; 5 s are left to each. The error is
/// that of the last one.
pub async fn find(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match timeout(CONNECTS_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(address),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
