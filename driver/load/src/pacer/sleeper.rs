//! Any platform: a thread that sleeps until the deadline and wakes the event loop.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use tokio::sync::Notify;

pub(crate) struct Sleeper {
    /// The thread ends when this is dropped.
    deadlines: mpsc::Sender<Instant>,
    woken: Arc<Notify>,
}

impl Sleeper {
    pub(super) fn new() -> io::Result<Self> {
        let (deadlines, next) = mpsc::channel();
        let woken = Arc::new(Notify::new());
        let waker = Arc::clone(&woken);
        thread::Builder::new().name("pacer".into()).spawn(move || {
            for deadline in next {
                sleep_until(deadline);
                waker.notify_one();
            }
        })?;
        Ok(Self { deadlines, woken })
    }

    /// Waits for `deadline`. May return before it; the caller looks at the clock.
    pub(super) async fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        self.deadlines
            .send(deadline)
            .map_err(|_| io::Error::other("the thread that paces the sends is gone"))?;
        self.woken.notified().await;
        Ok(())
    }
}

/// Sleeps to an absolute moment; a sleep may be cut short, so the clock decides.
fn sleep_until(deadline: Instant) {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left);
    }
}
