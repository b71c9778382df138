//! The participants' files, one a step, and beside each what it is held against: the file as it was, the reference, and
//! variants. Which of them runs, and for whom, is for `steps` to say.

#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod bulkheads;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod retries;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod shedding;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
#[allow(
    clippy::unused_async,
    reason = "who leaves may wait for nothing, as at the start"
)]
pub mod shutdown;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod timeouts;
#[allow(missing_docs, reason = "whoever edits it may leave out its first line")]
pub mod tx;

/// The participants' files as they were at the start, for comparison and for a fresh beginning.
pub mod starter {
    pub mod bulkheads;
    pub mod retries;
    pub mod shedding;
    #[allow(clippy::unused_async, reason = "it waits for nothing")]
    pub mod shutdown;
    pub mod timeouts;
    pub mod tx;
}

/// The reference of each step. Spoilers.
pub mod solved {
    pub mod bulkheads;
    pub mod retries;
    pub mod shedding;
    pub mod shutdown;
    pub mod timeouts;
    pub mod tx;
}

/// Variants that look like a fix and are none. A scenario that passes one of them is broken.
#[cfg(feature = "cheats")]
pub mod cheats {
    pub mod bulkheads;
    pub mod retries;
    pub mod shedding;
    pub mod shutdown;
    pub mod timeouts;
    pub mod tx;
}

/// Fixes that differ from the reference and are as good: those nearest to the limits. A scenario that fails one of
/// them asks for more than it teaches.
#[cfg(feature = "cheats")]
pub mod fixes {
    pub mod bulkheads;
    pub mod retries;
    pub mod shedding;
    pub mod shutdown;
    pub mod timeouts;
    pub mod tx;
}
