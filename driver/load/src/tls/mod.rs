//! TLS to the targets of a run, as curl's options have it.
//!
//! It is the cargo feature `tls`, and off by default. What it needs, rustls with ring and the system's own verifier, is
//! a dozen crates with C and assembly among them, and no step of the workshop uses them: its first build must not wait
//! for them. A program beside the driver would be a second one to build, to find and to keep; a feature is the same
//! driver, which `cargo run --features tls` builds when it is first wanted. Cargo keeps what it has built of either, and
//! the crates of others that both use are the same, with the same features: only the engine and what stands on it are
//! built twice.
//!
//! Without the feature [`Tls`] is a type without values: the engine's code is the same, and the compiler leaves out what
//! can't happen.

#[cfg(not(feature = "tls"))]
mod absent;
mod options;
#[cfg(feature = "tls")]
mod refusal;
#[cfg(feature = "tls")]
mod secured;
#[cfg(feature = "tls")]
mod verify;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::Secured;
#[cfg(not(feature = "tls"))]
pub use absent::{Tls, is_tls};
pub use options::{TlsError, TlsOptions};
#[cfg(feature = "tls")]
pub use refusal::is_tls;
#[cfg(feature = "tls")]
pub(crate) use secured::Secured;
#[cfg(feature = "tls")]
pub use secured::Tls;
