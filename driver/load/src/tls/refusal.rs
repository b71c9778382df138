//! Why there is no TLS with a target, in words that say what to do.

use std::io;

use tokio_rustls::rustls::{AlertDescription as Alert, Error};

use super::verify::certificate_problem;

/// An error of TLS itself, not of the connection below.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

/// Whether an error is one of TLS: a certificate, a version, an alert.
pub fn is_tls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<Refusal>() || inner.is::<Error>())
}

/// An error of a handshake with `name` in other words; one of the connection stays as it is.
pub(super) fn explain(error: io::Error, name: &str) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let text = match inner {
        Some(error) => of_tls(error, name),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closes the connection in the middle of the TLS handshake".to_owned()
        }
        None => return error,
    };
    io::Error::new(io::ErrorKind::InvalidData, Refusal(text))
}

fn of_tls(error: &Error, name: &str) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate_problem(error, name),
        Error::AlertReceived(Alert::NoApplicationProtocol) => {
            "it does not speak HTTP/1.1, as ALPN has it, and the load engine nothing else"
                .to_owned()
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "it wants a certificate of the client; --cert FILE and --key FILE name it".to_owned()
        }
        Error::AlertReceived(
            alert @ (Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied
            | Alert::DecryptError),
        ) => {
            format!("it does not take the client's certificate (--cert): alert {alert:?}")
        }
        Error::AlertReceived(alert) => {
            format!(
                "it breaks the TLS handshake off with alert {alert:?}; does it want a certificate of the client \
                 (--cert, --key)?"
            )
        }
        Error::InvalidMessage(_) => "what answers there is not TLS; is it http://?".to_owned(),
        other => format!("TLS with it fails: {other}"),
    }
}
