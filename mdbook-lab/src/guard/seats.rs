//! Seats for connections: few, and always one for who comes. When all are taken, the one leaves over which
//! nothing has moved for the longest; those who have shown the session last. Whoever comes has a moment to
//! say what it wants, and who waits for our answer stays.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Connections at once. Some systems allow a process no more than 256 files.
const SEATS: usize = 128;
/// How long a seat is for who has just taken it. A crowd that came in faster would push out unheard who
/// was there before.
const HELD_FOR: Duration = Duration::from_millis(200);
/// Between two looks for a seat. Who waits for us is served, or idle, soon.
const AGAIN_AFTER: Duration = Duration::from_millis(5);

/// All seats of a server.
pub(crate) struct Seats {
    opened: Instant,
    taken: Mutex<Vec<Arc<Seat>>>,
}

/// The seat of one connection.
pub(crate) struct Seat {
    opened: Instant,
    /// When it was taken, after the seats were opened.
    since: Duration,
    /// When bytes last moved, microseconds after the seats were opened.
    moved: AtomicU64,
    /// Whether the session was shown here.
    is_known: AtomicBool,
    /// Whether it waits for us, who make its answer.
    is_waiting: AtomicBool,
    ousted: CancellationToken,
}

/// A seat for as long as this is held.
pub(crate) struct Taken {
    seats: Arc<Seats>,
    pub(crate) seat: Arc<Seat>,
}

impl Seats {
    /// None is taken.
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            taken: Mutex::default(),
        })
    }

    /// Takes a seat, from somebody else where there is no other.
    pub(crate) async fn take(self: &Arc<Self>) -> Taken {
        loop {
            match self.take_at(self.opened.elapsed()) {
                Some(taken) => return taken,
                None => sleep(AGAIN_AFTER).await,
            }
        }
    }

    /// The same `now` after the seats were opened; none where nobody is to leave yet.
    fn take_at(self: &Arc<Self>, now: Duration) -> Option<Taken> {
        let mut taken = self.lock();
        if taken.len() >= SEATS && !make_room(&mut taken, now) {
            return None;
        }
        let seat = Arc::new(Seat {
            opened: self.opened,
            since: now,
            moved: AtomicU64::new(micros(now)),
            is_known: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            ousted: CancellationToken::new(),
        });
        taken.push(Arc::clone(&seat));
        drop(taken);
        Some(Taken {
            seats: Arc::clone(self),
            seat,
        })
    }

    /// Frees a seat that somebody is to leave.
    pub(crate) fn make_room(&self) {
        make_room(&mut self.lock(), self.opened.elapsed());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets one leave, if one is to.
fn make_room(taken: &mut Vec<Arc<Seat>>, now: Duration) -> bool {
    // While there is a stranger, none of those who have shown the session makes room.
    let all_are_known = taken.iter().all(|seat| seat.is_known());
    let least = taken
        .iter()
        .enumerate()
        .filter(|(_, seat)| all_are_known || !seat.is_known())
        .filter(|(_, seat)| !seat.is_waiting.load(Ordering::Relaxed))
        .filter(|(_, seat)| now.saturating_sub(seat.since) >= HELD_FOR)
        .map(|(index, seat)| (seat.moved.load(Ordering::Relaxed), index))
        .min();
    if let Some((_, index)) = least {
        taken.swap_remove(index).ousted.cancel();
    }
    least.is_some()
}

impl Seat {
    /// Bytes have moved.
    pub(crate) fn moved(&self) {
        let now = micros(self.opened.elapsed());
        self.moved.store(now, Ordering::Relaxed);
    }

    /// It waits for us, or does no more.
    pub(crate) fn waits(&self, it_does: bool) {
        self.is_waiting.store(it_does, Ordering::Relaxed);
    }

    /// Somebody has shown the session here.
    pub(crate) fn know(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Must leave.
    pub(crate) fn oust(&self) {
        self.ousted.cancel();
    }

    /// Whether it must leave.
    pub(crate) fn is_ousted(&self) -> bool {
        self.ousted.is_cancelled()
    }

    /// Waits until it must leave.
    pub(crate) async fn ousted(&self) {
        self.ousted.cancelled().await;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a seat at the `milli`-th millisecond.
    fn sit(seats: &Arc<Seats>, milli: usize) -> Option<Taken> {
        seats.take_at(Duration::from_millis(milli as u64))
    }

    /// Takes as many seats as there are, one a millisecond.
    fn crowd(seats: &Arc<Seats>) -> Vec<Taken> {
        (0..SEATS).map(|milli| sit(seats, milli).unwrap()).collect()
    }

    fn is_ousted(one: &Taken) -> bool {
        one.seat.is_ousted()
    }

    #[test]
    fn the_one_that_moved_longest_ago_makes_room() {
        let seats = Seats::open();
        let all = crowd(&seats);
        all[0].seat.moved.store(u64::MAX, Ordering::Relaxed);
        assert!(!all.iter().any(is_ousted));
        let _new = sit(&seats, 1000).unwrap();
        let ousted: Vec<_> = (0..SEATS).filter(|index| is_ousted(&all[*index])).collect();
        assert_eq!(ousted, [1]);
    }

    #[test]
    fn who_has_shown_the_session_leaves_last() {
        let seats = Seats::open();
        let all = crowd(&seats);
        all[0].seat.know();
        let mut new: Vec<_> = (0..SEATS - 1).map(|_| sit(&seats, 1000).unwrap()).collect();
        assert!(all[1..].iter().all(is_ousted));
        // Not even for who comes while all others have just come.
        assert!(sit(&seats, 1001).is_none());
        for one in &new {
            one.seat.know();
        }
        assert!(!is_ousted(&all[0]));
        new.push(sit(&seats, 1001).unwrap());
        assert!(is_ousted(&all[0]));
    }

    #[test]
    fn who_has_just_come_is_heard_and_who_waits_for_us_is_served() {
        let seats = Seats::open();
        let all = crowd(&seats);
        for one in &all[..SEATS - 2] {
            one.seat.waits(true);
        }
        assert!(sit(&seats, SEATS).is_none());
        let held = HELD_FOR.as_millis() as usize;
        let _new = sit(&seats, SEATS - 2 + held).unwrap();
        assert!(is_ousted(&all[SEATS - 2]));
        all[7].seat.waits(false);
        let _another = sit(&seats, SEATS - 1 + held).unwrap();
        let left = all.iter().filter(|one| !is_ousted(one)).count();
        assert_eq!((is_ousted(&all[7]), left), (true, SEATS - 2));
    }

    #[test]
    fn a_seat_is_free_again_when_its_holder_leaves() {
        let seats = Seats::open();
        for _ in 0..3 * SEATS {
            drop(sit(&seats, 0).unwrap());
        }
        assert!(!crowd(&seats).iter().any(is_ousted));
    }
}
