//! Where an idle carrier waits for its next request.

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// The carrier's end. Made once for all of its requests: a channel for each would cost as much as all else that is
/// done about one.
pub(super) struct Berth<T> {
    shared: Rc<Shared<T>>,
}

/// The pool's end.
pub(super) struct Caller<T> {
    shared: Rc<Shared<T>>,
}

struct Shared<T> {
    item: Cell<Option<T>>,
    waiting: Cell<Option<Waker>>,
}

impl<T> Berth<T> {
    pub(super) fn new() -> Self {
        Self {
            shared: Rc::new(Shared {
                item: Cell::new(None),
                waiting: Cell::new(None),
            }),
        }
    }

    /// The other end, of which there is one at a time.
    pub(super) fn caller(&self) -> Caller<T> {
        Caller {
            shared: Rc::clone(&self.shared),
        }
    }

    /// Waits for what the caller hands over; none where the caller has gone away without.
    pub(super) async fn next(&self) -> Option<T> {
        poll_fn(|cx| {
            let item = self.shared.item.take();
            if item.is_some() || Rc::strong_count(&self.shared) == 1 {
                return Poll::Ready(item);
            }
            self.shared.waiting.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl<T> Caller<T> {
    /// Hands over; gives it back where nobody waits any more.
    pub(super) fn call(self, item: T) -> Result<(), T> {
        if Rc::strong_count(&self.shared) == 1 {
            return Err(item);
        }
        self.shared.item.set(Some(item));
        Ok(())
    }
}

impl<T> Drop for Caller<T> {
    fn drop(&mut self) {
        if let Some(waker) = self.shared.waiting.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    /// Both ends, each of which the other may lose while it waits.
    fn waiting() -> (Caller<u8>, impl Future<Output = Option<u8>>) {
        let berth = Berth::new();
        let caller = berth.caller();
        (caller, async move { berth.next().await })
    }

    #[tokio::test]
    async fn what_is_handed_over_arrives() {
        let (caller, next) = waiting();
        let (seen, taken) = tokio::join!(next, async { caller.call(7) });
        assert_eq!((seen, taken), (Some(7), Ok(())));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_ends_the_wait() {
        let (caller, next) = waiting();
        let (seen, ()) = tokio::join!(next, async { drop(caller) });
        assert_eq!(seen, None);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_comes_back() {
        let (caller, next) = waiting();
        drop(next);
        assert_eq!(caller.call(7), Err(7));
    }

    #[tokio::test]
    async fn a_berth_serves_again_and_again() {
        let berth = Berth::new();
        for item in 0..3 {
            assert!(berth.caller().call(item).is_ok());
            assert_eq!(berth.next().await, Some(item));
        }
    }
}
