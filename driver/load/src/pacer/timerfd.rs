//! Linux: a `timerfd` among the sockets of the event loop. It has the kernel's full resolution and
//! is not subject to the slack of sleeps.

use std::{io, os::fd::OwnedFd, time::Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

const NEVER_AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

pub(crate) struct TimerFd {
    fd: AsyncFd<OwnedFd>,
    /// The same moment on both clocks. `Instant` is `CLOCK_MONOTONIC` on Linux but hides its value.
    anchor: (Instant, Timespec),
}

impl TimerFd {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an owned descriptor that stays inside keeps its terms"
        )]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self {
            fd,
            anchor: anchor(),
        })
    }

    /// Waits for `deadline`. May return before it; the caller looks at the clock.
    pub(super) async fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        let (instant, timespec) = self.anchor;
        let ahead = deadline.saturating_duration_since(instant);
        let nanos = timespec.tv_nsec + i64::from(ahead.subsec_nanos());
        let spec = Itimerspec {
            it_interval: NEVER_AGAIN,
            it_value: Timespec {
                tv_sec: timespec.tv_sec + ahead.as_secs().cast_signed() + nanos / 1_000_000_000,
                tv_nsec: nanos % 1_000_000_000,
            },
        };
        // Setting the timer also takes back an expiry that nobody has read: no read is needed.
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}

/// Reads both clocks. The instant comes first, so a deadline is never set too early; of several
/// tries the one with the least in between counts, in case the thread was interrupted.
fn anchor() -> (Instant, Timespec) {
    let try_once = || {
        let before = Instant::now();
        let timespec = clock_gettime(ClockId::Monotonic);
        (before.elapsed(), (before, timespec))
    };
    let tries = std::iter::repeat_with(try_once).take(9);
    let (_, anchor) = tries.min_by_key(|(gap, _)| *gap).unwrap_or_else(try_once);
    anchor
}
