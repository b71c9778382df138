//! Waits for absolute moments, without spinning: on a contended machine a spinning sender loses
//! its time slice just when it needs it.

use std::{io, time::Instant};

mod sleeper;
#[cfg(target_os = "linux")]
mod timerfd;

use sleeper::Sleeper;
#[cfg(target_os = "linux")]
use timerfd::TimerFd;

/// The platform's best way to wait. Tokio's own timer has a resolution of 1 ms, too coarse here.
pub(super) enum Pacer {
    #[cfg(target_os = "linux")]
    TimerFd(TimerFd),
    Sleeper(Sleeper),
}

impl Pacer {
    /// Must be called within the runtime that will wait.
    pub(super) fn new() -> io::Result<Self> {
        // A sandbox may forbid timerfd; then the portable way serves.
        #[cfg(target_os = "linux")]
        if let Ok(timer) = TimerFd::new() {
            return Ok(Self::TimerFd(timer));
        }
        Ok(Self::Sleeper(Sleeper::new()?))
    }

    /// Returns at `deadline` or as soon after it as the machine can, with the time that it is; at once if it has
    /// passed.
    pub(super) async fn until(&mut self, deadline: Instant) -> io::Result<Instant> {
        loop {
            let now = Instant::now();
            if now >= deadline {
                return Ok(now);
            }
            match self {
                #[cfg(target_os = "linux")]
                Self::TimerFd(timer) => timer.wait(deadline).await?,
                Self::Sleeper(sleeper) => sleeper.wait(deadline).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn keeps_its_promise(mut pacer: Pacer) {
        let start = Instant::now();
        for step in 1..=20 {
            let deadline = start + step * Duration::from_micros(700);
            pacer.until(deadline).await.unwrap();
            assert!(Instant::now() >= deadline, "woke early");
        }
        pacer.until(start).await.unwrap();

        // A wait that was given up must not disturb the next one.
        let far = start + Duration::from_millis(60);
        tokio::select! {
            biased;
            _ = pacer.until(far) => panic!("woke {:?} early", far - Instant::now()),
            () = tokio::task::yield_now() => {}
        }
        let deadline = Instant::now() + Duration::from_millis(5);
        pacer.until(deadline).await.unwrap();
        assert!(Instant::now() >= deadline, "woke early");
    }

    #[tokio::test]
    async fn the_sleeping_thread_never_wakes_early() {
        keeps_its_promise(Pacer::Sleeper(Sleeper::new().unwrap())).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_timer_never_wakes_early() {
        keeps_its_promise(Pacer::TimerFd(TimerFd::new().unwrap())).await;
    }
}
