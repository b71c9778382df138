//! From what the system says of a connection to why a request has no answer.

use std::io::{self, ErrorKind};

use lab_record::Cause;
use rustix::io::Errno;

/// The cause of an error on a connection; `heard` is true where an answer had begun.
pub(super) fn of(error: &io::Error, heard: bool) -> Cause {
    let known = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(Known(cause)) = known {
        return *cause;
    }
    if is_ours(error) {
        return Cause::Starved;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Cause::Refused,
        // Who writes to a connection that was broken off is told of a broken pipe, if not of the reset.
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Cause::Reset
        }
        ErrorKind::UnexpectedEof if heard => Cause::Cut,
        ErrorKind::UnexpectedEof => Cause::Closed,
        // No socket says so, and what is no HTTP is known: it is what a TLS library makes of what it does not take.
        ErrorKind::InvalidData => Cause::Tls,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::TimedOut => Cause::Unreachable,
        _ => Cause::Other,
    }
}

/// An error of a cause that the system has no kind for.
pub(super) fn error(cause: Cause) -> io::Error {
    io::Error::other(Known(cause))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Known(Cause);

/// True where this machine lacked files or ports for a connection.
fn is_ours(error: &io::Error) -> bool {
    const OURS: [Errno; 4] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
    ];
    Errno::from_io_error(error).is_some_and(|errno| OURS.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::{
        connection::{Connection, Unanswered},
        flight::Stamps,
        request::Outgoing,
    };

    /// The cause of the failure of a request to a server that does this with its connection.
    async fn seen<F: Future<Output = ()>>(serve: impl FnOnce(TcpStream) -> F) -> Cause {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = async {
            let mut connection = Connection::open(address, None).await.unwrap();
            let request = Outgoing {
                text: "GET / HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(),
                content: None,
                is_head: false,
                is_idempotent: true,
                keeps: 0,
            };
            let mut stamps = Stamps::default();
            match connection.exchange(&request, &mut stamps).await {
                Ok(answer) => panic!("answered with {}", answer.status),
                Err(Unanswered::NotSent(cause) | Unanswered::Broken(cause)) => cause,
            }
        };
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // All of it: what is left unread makes a reset of an orderly end.
            let read = stream.read(&mut [0; 1024]).await.unwrap();
            assert!(read > 0);
            serve(stream).await;
        };
        tokio::join!(client, server).0
    }

    async fn says(text: &'static str) -> Cause {
        seen(async |mut stream| stream.write_all(text.as_bytes()).await.unwrap()).await
    }

    #[tokio::test]
    async fn each_way_to_fail_has_its_cause() {
        assert_eq!(seen(async |_| {}).await, Cause::Closed);
        assert_eq!(says("HTTP/1.1 200 OK\r\n").await, Cause::Cut);
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        assert_eq!(says(half).await, Cause::Cut);
        assert_eq!(says("SSH-2.0-OpenSSH_9.6\r\n").await, Cause::Malformed);
        let length = "HTTP/1.1 200 OK\r\ncontent-length: much\r\n\r\n";
        assert_eq!(says(length).await, Cause::Malformed);
        let reset = seen(async |stream| stream.set_zero_linger().unwrap()).await;
        assert_eq!(reset, Cause::Reset);
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let Err(error) = Connection::open(address, None).await else {
            panic!("somebody took the port within a moment");
        };
        assert_eq!(of(&error, false), Cause::Refused);
    }

    #[tokio::test]
    async fn who_writes_on_after_a_reset_learns_of_the_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        server.set_zero_linger().unwrap();
        drop(server);
        let writing = async {
            loop {
                if let Err(error) = client.write_all(b"on and on").await {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        };
        let error = tokio::time::timeout(Duration::from_secs(10), writing).await;
        assert_eq!(of(&error.unwrap(), false), Cause::Reset);
    }

    #[test]
    fn what_the_system_says_and_what_is_known_beside() {
        let by_number = |errno: Errno| of(&io::Error::from(errno), false);
        assert_eq!(by_number(Errno::MFILE), Cause::Starved);
        assert_eq!(by_number(Errno::ADDRNOTAVAIL), Cause::Starved);
        assert_eq!(by_number(Errno::HOSTUNREACH), Cause::Unreachable);
        assert_eq!(by_number(Errno::NETUNREACH), Cause::Unreachable);
        assert_eq!(by_number(Errno::PIPE), Cause::Reset);
        assert_eq!(by_number(Errno::ACCESS), Cause::Other);
        let untrusted = io::Error::new(ErrorKind::InvalidData, "invalid peer certificate");
        assert_eq!(of(&untrusted, false), Cause::Tls);
        assert_eq!(of(&error(Cause::Malformed), true), Cause::Malformed);
    }
}
