//! The load engine in pods. A pod ([`serve`]) does as it is told over one stream: sends its share of a plan, says a few
//! times a second what became of the requests, in cells of counts and distributions, and asks services what the driver
//! wants to know. The driver ([`Fleet`]) tells several pods the same start and makes one recording of theirs.
//!
//! A stream is any pair of pipes. That it is `kubectl attach` is not known here.

use std::time::Duration;

mod clock;
mod fleet;
mod frame;
mod greeting;
mod link;
mod message;
mod pod;

pub use fleet::{Fleet, PodRecord, Running, Sent};
pub use link::{Line, Stream};
pub use pod::{Error as PodError, serve};

/// Why pods can't send a load.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pod runs other code.
    #[error(
        "load pod {index} is `{pod}`, and this driver `{driver}`: the image is of other code than the driver; \
         `make image PLATFORM=k3d` builds and loads it, and where IMAGE names one in a registry, build and push it again"
    )]
    Other {
        /// Which pod, from 0.
        index: u32,
        /// What it says of itself.
        pod: String,
        /// What the driver is.
        driver: String,
    },
    /// The stream ended.
    #[error("the stream to load pod {index} broke: {why}")]
    Broken {
        /// To which pod, from 0.
        index: u32,
        /// Why.
        why: String,
    },
    /// The same, as a sentence.
    #[error("{0}")]
    Gone(String),
    /// The pod can't send its share.
    #[error("load pod {index} can't send: {text}")]
    Load {
        /// Which pod, from 0.
        index: u32,
        /// Why.
        text: String,
    },
    /// The connections don't stand.
    #[error("the load pods were not ready to send within {} s", .0.as_secs())]
    Late(Duration),
}
