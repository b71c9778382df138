//! Lateness of a 1 ms sleep: shows when the machine itself stood still, whoever was to blame, and how late at best a
//! sender wakes beside this load.

use std::{
    io,
    sync::mpsc::{self, TryRecvError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::summary::Distribution;

/// Width of the cells over which the worst lateness is kept.
pub const HICCUP_CELL: Duration = Duration::from_millis(100);

const STEP: Duration = Duration::from_millis(1);

/// A thread that sleeps from millisecond to millisecond.
#[derive(Debug)]
pub(super) struct HiccupProbe {
    /// The thread ends when this is dropped.
    wanted: mpsc::Sender<()>,
    thread: JoinHandle<Hiccups>,
}

impl HiccupProbe {
    pub(super) fn start(t0: Instant) -> io::Result<Self> {
        let (wanted, still_wanted) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("hiccups".into())
            .spawn(move || watch(t0, &still_wanted))?;
        Ok(Self { wanted, thread })
    }

    /// Ends the probe.
    pub(super) fn finish(self) -> Hiccups {
        drop(self.wanted);
        self.thread.join().unwrap_or_default()
    }
}

fn watch(t0: Instant, wanted: &mpsc::Receiver<()>) -> Hiccups {
    let mut seen = Hiccups::default();
    let mut due = Duration::ZERO;
    while wanted.try_recv() == Err(TryRecvError::Empty) {
        thread::sleep((t0 + due).saturating_duration_since(Instant::now()));
        let now = t0.elapsed();
        seen.note(due, now);
        due = next_step(now);
    }
    seen
}

/// How late this machine wakes a thread that only sleeps, seen for as long as `span`, which is how long it takes.
pub fn watch_for(span: Duration) -> io::Result<Hiccups> {
    let probe = HiccupProbe::start(Instant::now())?;
    thread::sleep(span);
    Ok(probe.finish())
}

/// The first whole step after `now`: those missed in between were one hiccup, not many.
fn next_step(now: Duration) -> Duration {
    let steps = now.as_nanos() / STEP.as_nanos() + 1;
    STEP * steps as u32
}

/// What the probe has seen.
#[derive(Debug, Default)]
pub struct Hiccups {
    /// The worst lateness of each cell since the start.
    pub(super) worst: Vec<Duration>,
    lateness: Distribution,
}

impl Hiccups {
    /// The longest pause.
    pub fn worst(&self) -> Duration {
        self.worst.iter().max().copied().unwrap_or_default()
    }

    /// Share of the sends, 0 to 1, that a sender that has nothing else to do would make later than `limit`, were one due
    /// each millisecond.
    pub fn late_share(&self, limit: Duration) -> f64 {
        let all = self.lateness.histogram();
        let later = all.next_non_equivalent(Distribution::micros(limit));
        let late = all.count_between(later, u64::MAX);
        late as f64 / all.len().max(1) as f64
    }

    /// How late a sender that has nothing else to do leaves, were one send due each millisecond: the 99th percentile;
    /// none where nothing was seen.
    pub(super) fn floor(&self) -> Option<Duration> {
        self.lateness.time_at(99)
    }

    /// A pause from `due` to `now` counts, with its full length, in every cell that it reaches; and as the lateness of
    /// all that a sender would have had to send meanwhile.
    fn note(&mut self, due: Duration, now: Duration) {
        let cell = |at: Duration| (at.as_nanos() / HICCUP_CELL.as_nanos()) as usize;
        if self.worst.len() <= cell(now) {
            self.worst.resize(cell(now) + 1, Duration::ZERO);
        }
        for worst in &mut self.worst[cell(due)..=cell(now)] {
            *worst = now.saturating_sub(due).max(*worst);
        }
        let mut late = now.checked_sub(due);
        while let Some(lateness) = late {
            self.lateness.record((lateness, false));
            late = lateness.checked_sub(STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_pause_shows_in_each_cell_that_it_reaches() {
        let mut seen = Hiccups::default();
        seen.note(ms(10), ms(11));
        seen.note(ms(12), ms(12));
        seen.note(ms(150), ms(420));
        assert_eq!(seen.worst, [ms(1), ms(270), ms(270), ms(270), ms(270)]);
    }

    #[test]
    fn late_are_those_that_were_due_in_a_pause_but_for_its_end() {
        let mut seen = Hiccups::default();
        assert_eq!((seen.late_share(ms(25)), seen.worst()), (0.0, ms(0)));
        for at in 1..=100 {
            seen.note(ms(at), ms(at));
        }
        seen.note(ms(101), ms(200));
        // Of the 100 that were due in it, those of its last 26 ms (25 to 0 late) were in time.
        assert_eq!((seen.late_share(ms(25)), seen.worst()), (0.37, ms(99)));
    }

    #[test]
    fn the_floor_is_what_a_sender_would_see() {
        let mut seen = Hiccups::default();
        assert_eq!(seen.floor(), None);
        for step in 0..980 {
            seen.note(ms(step), ms(step));
        }
        assert_eq!(seen.floor(), Some(Duration::ZERO));
        // One pause, in which twenty sends would have been due; the tenth best of them is the 990th of a thousand.
        seen.note(ms(980), ms(999));
        let floor = seen.floor().unwrap();
        // Three digits of it are kept.
        assert!((9_000..9_010).contains(&floor.as_micros()), "{floor:?}");
    }

    #[test]
    fn missed_steps_are_not_made_up_for() {
        assert_eq!(next_step(ms(5)), ms(6));
        assert_eq!(next_step(Duration::from_micros(270_400)), ms(271));
    }

    #[test]
    fn the_probe_covers_its_whole_life() {
        let start = Instant::now();
        let probe = HiccupProbe::start(start).unwrap();
        thread::sleep(ms(230));
        let seen = start.elapsed();
        let cells = probe.finish().worst;
        assert!(cells.len() as u32 >= (seen.as_millis() / 100) as u32);
    }
}
