//! This process as one of several replicas that come and go: whether it is ready, its door, and the work that it has
//! accepted and not done yet. What it does with them between a signal and its end is for a case to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::serve::Door;

/// A handle of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replica(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    door: Door,
    ready: AtomicBool,
    /// How much accepted work is not done.
    work: watch::Sender<usize>,
}

impl Replica {
    /// One that is ready, behind this door.
    pub(crate) fn behind(door: Door) -> Self {
        Self(Arc::new(Inner {
            door,
            ready: AtomicBool::new(true),
            work: watch::Sender::new(0),
        }))
    }

    /// From now on `/readyz` says no to whoever asks. Requests are served as before.
    pub fn not_ready(&self) {
        self.0.ready.store(false, Ordering::Relaxed);
    }

    /// Closes the port, and each connection as soon as no request is under way on it. Returns when the last answer is
    /// out. Whoever comes meanwhile is refused.
    pub async fn drain(&self) {
        self.0.door.close().await;
    }

    /// Returns when all work is done that was accepted in the background, also what is accepted meanwhile.
    pub async fn work_done(&self) {
        let mut work = self.0.work.subscribe();
        // The sender lives as long as `self`.
        let _ = work.wait_for(|left| *left == 0).await;
    }

    /// Whether it says that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// Does `work` in the background; it is accepted when this returns.
    pub(crate) fn accept(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.work.send_modify(|left| *left += 1);
        let accepted = Accepted(self.clone());
        tokio::spawn(async move {
            work.await;
            drop(accepted);
        });
    }
}

/// Work that is not done, for as long as it lives.
struct Accepted(Replica);

impl Drop for Accepted {
    fn drop(&mut self) {
        self.0.0.work.send_modify(|left| *left -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn work_is_done_when_the_last_of_it_is() {
        let replica = Replica::behind(Door::default());
        replica.work_done().await;
        let (finish, finished) = oneshot::channel::<()>();
        replica.accept(async { drop(finished.await) });
        replica.accept(async {});
        let brief = timeout(Duration::from_millis(50), replica.work_done()).await;
        assert!(brief.is_err(), "one piece of work is not done");
        drop(finish);
        timeout(Duration::from_secs(10), replica.work_done())
            .await
            .expect("nothing is left to do");
    }
}
