//! Where a name leads.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{net::lookup_host, task::JoinSet, time::timeout};

use super::{
    stream::Stream,
    tls::{Tls, is_tls},
};

/// Longer than any connect that a measurement could live with.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// The addresses of a name, in the resolver's order, IPv6 and IPv4 alike.
///
/// A load stands for many clients, and a name with several addresses has them so that clients spread over them: requests
/// go round all that take connections. Happy Eyeballs (RFC 8305) is how one client finds one that works; all that is
/// taken of it is that an address where nobody listens costs nobody a request. Which ones these were is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Those that took a connection; one at least.
    pub taking: Vec<SocketAddr>,
    /// Those that took none, and why.
    pub left_out: Vec<(SocketAddr, String)>,
}

/// Looks a name up and connects once to each of its addresses, all at the same time; 5 s are left to each, for the
/// handshake too. Where none takes a connection the error is that of all of them; where the name leads nowhere,
/// `NotFound`.
pub async fn find(host: &str, port: u16, tls: Option<&Tls>) -> io::Result<Found> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    let looked_up = lookup_host((host, port)).await;
    // The system has no kind of its own for that.
    for address in looked_up.map_err(|why| io::Error::new(ErrorKind::NotFound, why))? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let mut attempts = JoinSet::new();
    for (n, address) in addresses.iter().copied().enumerate() {
        let tls = tls.cloned();
        attempts.spawn(async move { (n, takes(address, tls.as_ref()).await) });
    }
    let mut tried = attempts.join_all().await;
    tried.sort_by_key(|(n, _)| *n);
    let mut found = Found::default();
    let mut errors = Vec::new();
    for (n, tried) in tried {
        match tried {
            Ok(()) => found.taking.push(addresses[n]),
            Err(error) => {
                found.left_out.push((addresses[n], error.to_string()));
                errors.push(error);
            }
        }
    }
    if found.taking.is_empty() {
        return Err(all_of(errors, &found.left_out));
    }
    Ok(found)
}

/// Whether an address takes a connection.
async fn takes(address: SocketAddr, tls: Option<&Tls>) -> io::Result<()> {
    let opened = async {
        let stream = Stream::open(address, tls).await?;
        match (stream, tls) {
            (Stream::Secured(mut stream), Some(tls)) => tls.admitted(&mut stream).await,
            _ => Ok(()),
        }
    };
    let opened = timeout(CONNECTS_WITHIN, opened).await;
    opened.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// One error of those of all addresses. One of TLS comes first: somebody is there.
fn all_of(mut errors: Vec<io::Error>, left_out: &[(SocketAddr, String)]) -> io::Error {
    let first = errors.iter().position(is_tls).unwrap_or(0);
    if errors.len() == 1 || errors.get(first).is_some_and(is_tls) {
        return errors.swap_remove(first);
    }
    let Some(error) = errors.first() else {
        return io::Error::new(ErrorKind::NotFound, "the name has no address");
    };
    let texts = left_out
        .iter()
        .map(|(address, why)| format!("{address}: {why}"));
    io::Error::new(error.kind(), texts.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_name_leads_to_all_addresses_that_take_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = find("localhost", port, None).await.unwrap();
        assert_eq!(found.taking, [listener.local_addr().unwrap()]);
        // A machine without IPv6 has no other.
        for (address, why) in &found.left_out {
            assert!(address.is_ipv6(), "{address}");
            assert!(!why.is_empty());
        }
    }

    #[tokio::test]
    async fn where_nobody_listens_the_error_is_that_of_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = find("127.0.0.1", port, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_told_from_a_service_that_is_down() {
        let error = find("no-such-host.invalid", 80, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn each_address_says_why_it_takes_nobody() {
        let refused = || io::Error::from(ErrorKind::ConnectionRefused);
        let left_out = [
            ("[::1]:80".parse().unwrap(), refused().to_string()),
            ("127.0.0.1:80".parse().unwrap(), "no route".to_owned()),
        ];
        let error = all_of(
            vec![refused(), ErrorKind::NetworkUnreachable.into()],
            &left_out,
        );
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(
            error.to_string(),
            "[::1]:80: connection refused; 127.0.0.1:80: no route"
        );
        assert_eq!(all_of(Vec::new(), &[]).kind(), ErrorKind::NotFound);
    }
}
