//! What somebody may say of TLS.

use std::path::PathBuf;

/// Whom to trust, and who one is. The names are those of curl's options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates in PEM of the authorities to trust, and no others; else those that the system trusts.
    pub cacert: Option<PathBuf>,
    /// One's own certificate in PEM, and those that lead from it to an authority.
    pub cert: Option<PathBuf>,
    /// Its private key in PEM, where that is not in the file of the certificate.
    pub key: Option<PathBuf>,
    /// Whether to take any certificate of anybody.
    pub insecure: bool,
}

/// Why no TLS can be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The feature is off.
    #[error(
        "this driver was built without TLS, which would make the workshop's first build longer; \
         `cargo run --profile lab --features tls --bin driver -- run …` builds it with TLS and runs it"
    )]
    Absent,
    /// A file is of no use.
    #[error("{flag} {}: {problem}", path.display())]
    File {
        /// The option that named it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// All else.
    #[error("{0}")]
    Other(String),
}
