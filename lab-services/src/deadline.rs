//! The moment at which an answer is no longer wanted, carried from the caller to whatever is called.

use std::time::Duration;

use axum::http::HeaderMap;
use tokio::time::Instant;

/// The header that carries the remaining time between services, in whole milliseconds.
pub const HEADER: &str = "x-deadline-ms";

/// The time that the caller gives, where it says so.
pub(crate) fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let left = headers.get(HEADER)?.to_str().ok()?.parse::<u32>().ok()?;
    Some(Duration::from_millis(left.into()))
}

/// A moment by which an answer is wanted. Unlike a timeout, it doesn't start anew with each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `budget` from now.
    pub fn after(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// This deadline, or the moment `budget` from now where that is earlier.
    #[must_use]
    pub fn at_most(self, budget: Duration) -> Self {
        self.min(Self::after(budget))
    }

    /// The time left; zero once the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The moment itself, for [`tokio::time::timeout_at`].
    pub fn instant(self) -> Instant {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earlier_moment_wins() {
        let far = Deadline::after(Duration::from_mins(1));
        assert!(far.at_most(Duration::from_secs(1)) < far);
        assert_eq!(far.at_most(Duration::from_mins(10)), far);
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_leaves_nothing() {
        assert_eq!(Deadline::after(Duration::ZERO).remaining(), Duration::ZERO);
    }
}
