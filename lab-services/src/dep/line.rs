//! Places in which calls are worked on, and the line in front of them. Who stands in it is worked on in turn, also when
//! its caller has gone: as in a server that reads requests into a queue, and learns that nobody is there any more when it
//! writes the answer.
//!
//! That is what lets an overload outlive its cause: work for nobody takes the places of work for somebody.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::metrics::Registry;

/// Keys that are remembered, to tell a first try from another. A run of the workshop has a thousand.
const MOST_KEYS: usize = 100_000;

/// The places and the line. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    places: usize,
    working: Vec<Arc<Caller>>,
    waiting: VecDeque<Waiting>,
    keys: HashSet<String>,
    /// Calls so far, by [`Try`].
    calls: [u64; 3],
}

/// What a call is, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// The first with its key.
    First,
    /// One with a key that was there before.
    Again,
    /// It has no key: it only looks something up.
    Lookup,
}

impl Try {
    const ALL: [Self; 3] = [Self::First, Self::Again, Self::Lookup];

    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Again => "again",
            Self::Lookup => "lookup",
        }
    }
}

/// Whom a call is for.
#[derive(Debug)]
pub(super) struct Caller {
    kind: Try,
    gone: AtomicBool,
}

impl Caller {
    /// As metrics have it: who has gone is told from those who wait.
    fn name(&self) -> &'static str {
        if self.gone.load(Ordering::Relaxed) {
            "gone"
        } else {
            self.kind.name()
        }
    }
}

#[derive(Debug)]
struct Waiting {
    caller: Arc<Caller>,
    since: Instant,
    turn: oneshot::Sender<Place>,
}

/// There is no room in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is full: try later")]
pub(super) struct Full;

/// A caller who waits for an answer, until this is dropped.
#[derive(Debug)]
pub(super) struct Present(Arc<Caller>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Relaxed);
    }
}

/// A place in the line.
#[derive(Debug)]
pub(super) struct Turn(oneshot::Receiver<Place>);

impl Turn {
    /// Waits until it has come; never, where the line is no more.
    pub(super) async fn comes(self) -> Option<Place> {
        self.0.await.ok()
    }
}

/// A place in which a call is worked on.
#[derive(Debug)]
pub(super) struct Place {
    line: Line,
    caller: Arc<Caller>,
    /// When the work in it begins and, once that is known, ends.
    due: Instant,
}

impl Place {
    /// Works for so long. A timer that is late takes nothing from who comes next: they begin when this was to end.
    pub(super) async fn work(mut self, takes: Duration) {
        self.due += takes;
        tokio::time::sleep_until(self.due).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let free_since = self.due.min(Instant::now());
        let mut state = self.line.state();
        let known = state.working.iter();
        let here = known
            .enumerate()
            .find(|(_, caller)| Arc::ptr_eq(caller, &self.caller));
        if let Some((index, _)) = here {
            state.working.swap_remove(index);
        }
        state.call_next(&self.line, free_since);
    }
}

impl Line {
    /// From now on there are so many places. Who is in one keeps it.
    pub(super) fn set_places(&self, places: usize) {
        let mut state = self.state();
        state.places = places;
        state.call_next(self, Instant::now());
    }

    /// Counts a call for `key`, whatever becomes of it.
    pub(super) fn called(&self, key: &str) -> Caller {
        let mut state = self.state();
        let kind = state.kind(key);
        state.calls[kind as usize] += 1;
        Caller {
            kind,
            gone: AtomicBool::new(false),
        }
    }

    /// Stands in line, where fewer than `most` do.
    pub(super) fn join(&self, caller: Caller, most: usize) -> Result<(Present, Turn), Full> {
        let now = Instant::now();
        let mut state = self.state();
        if state.waiting.len() >= most && state.working.len() >= state.places {
            return Err(Full);
        }
        let caller = Arc::new(caller);
        let (turn, comes) = oneshot::channel();
        state.waiting.push_back(Waiting {
            caller: Arc::clone(&caller),
            since: now,
            turn,
        });
        state.call_next(self, now);
        Ok((Present(caller), Turn(comes)))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn kind(&mut self, key: &str) -> Try {
        if key.is_empty() {
            Try::Lookup
        } else if self.keys.contains(key) {
            Try::Again
        } else {
            if self.keys.len() < MOST_KEYS {
                self.keys.insert(key.to_owned());
            }
            Try::First
        }
    }

    /// Gives free places to those who are first in line; their work begins at `free_since`, or when they came.
    fn call_next(&mut self, line: &Line, free_since: Instant) {
        while self.working.len() < self.places
            && let Some(next) = self.waiting.pop_front()
        {
            self.working.push(Arc::clone(&next.caller));
            let place = Place {
                line: line.clone(),
                caller: Arc::clone(&next.caller),
                due: free_since.max(next.since),
            };
            if let Err(mut unwanted) = next.turn.send(place) {
                // Whoever would have done the work is no more: the service ends. Dropped here it would lock this again.
                unwanted.line = Line::default();
                self.working.pop();
            }
        }
    }

    /// Who works in the places, or waits in the line, by [`Caller::name`].
    fn count<'a>(callers: impl Iterator<Item = &'a Arc<Caller>>) -> [(&'static str, i64); 4] {
        let mut counts = [("first", 0), ("again", 0), ("lookup", 0), ("gone", 0)];
        for caller in callers {
            let name = caller.name();
            for (of, count) in &mut counts {
                *count += i64::from(*of == name);
            }
        }
        counts
    }
}

impl Collector for Line {
    fn encode(&self, mut to: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let (places, working, waiting, calls) = {
            let state = self.state();
            (
                state.places,
                State::count(state.working.iter()),
                State::count(state.waiting.iter().map(|waiting| &waiting.caller)),
                state.calls,
            )
        };
        let gauge = ConstGauge::new(places.cast_signed() as i64);
        gauge.encode(to.encode_descriptor(
            "dep_places",
            "Calls that are worked on at once, where there is a line",
            None,
            gauge.metric_type(),
        )?)?;
        for (name, help, counts) in [
            (
                "dep_places_in_use",
                "Calls that are worked on, by whom for: a first try with a key, one that is tried again, one without a key, \
                 or a caller who has gone",
                working,
            ),
            ("dep_line", "Calls in line, by the same", waiting),
        ] {
            let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (caller, count) in counts {
                ConstGauge::new(count).encode(family.encode_family(&[("caller", caller)])?)?;
            }
        }
        let mut family = to.encode_descriptor(
            "dep_tries",
            "Calls that came to the line, by whether their key was there before",
            None,
            MetricType::Counter,
        )?;
        for (kind, count) in Try::ALL.into_iter().zip(calls) {
            let labels = [("try", kind.name())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: usize) -> Line {
        let line = Line::default();
        line.set_places(places);
        line
    }

    fn join(line: &Line, key: &str, most: usize) -> Result<(Present, Turn), Full> {
        line.join(line.called(key), most)
    }

    /// The place, where its turn has come.
    fn place(turn: &mut Turn) -> Option<Place> {
        turn.0.try_recv().ok()
    }

    fn in_line(line: &Line) -> [(&'static str, i64); 4] {
        State::count(line.state().waiting.iter().map(|waiting| &waiting.caller))
    }

    #[test]
    fn calls_are_worked_on_in_turn_also_for_who_has_gone() {
        let line = line(1);
        let (first, mut one) = join(&line, "a", 9).unwrap();
        let (gone, mut two) = join(&line, "b", 9).unwrap();
        let (_stays, mut three) = join(&line, "c", 9).unwrap();
        let at_work = place(&mut one).unwrap();
        assert!(place(&mut two).is_none() && place(&mut three).is_none());
        drop((first, gone));
        assert_eq!(
            in_line(&line),
            [("first", 1), ("again", 0), ("lookup", 0), ("gone", 1)]
        );
        drop(at_work);
        let at_work = place(&mut two).unwrap();
        assert!(place(&mut three).is_none());
        drop(at_work);
        drop(place(&mut three).unwrap());
        assert!(line.state().working.is_empty());
    }

    #[test]
    fn a_call_is_known_by_its_key() {
        let line = line(9);
        let kinds = ["a", "a", "b", "", ""].map(|key| line.called(key).kind);
        let known = [Try::First, Try::Again, Try::First, Try::Lookup, Try::Lookup];
        assert_eq!(kinds, known);
        assert_eq!(line.state().calls, [2, 1, 2]);
    }

    #[test]
    fn a_full_line_turns_away_and_counts_the_call_all_the_same() {
        let line = line(1);
        let _at_work = join(&line, "a", 1).unwrap();
        let _waits = join(&line, "b", 1).unwrap();
        assert_eq!(join(&line, "c", 1).unwrap_err(), Full);
        assert_eq!(line.state().calls, [3, 0, 0]);
    }

    #[test]
    fn fewer_places_are_waited_for_and_more_are_filled_at_once() {
        let line = line(2);
        let turns = (0..6).map(|n| join(&line, &n.to_string(), 9).unwrap());
        let mut turns: Vec<_> = turns.collect();
        let mut at_work = |n: usize| place(&mut turns[n].1);
        let (one, two) = (at_work(0).unwrap(), at_work(1).unwrap());
        line.set_places(1);
        drop(one);
        assert!(at_work(2).is_none());
        drop(two);
        let _three = at_work(2).unwrap();
        assert!(at_work(3).is_none());
        line.set_places(3);
        let _more = [at_work(3).unwrap(), at_work(4).unwrap()];
        assert!(at_work(5).is_none());
    }

    #[test]
    fn a_late_timer_costs_the_next_call_nothing() {
        let line = line(1);
        let (_a, mut one) = join(&line, "a", 9).unwrap();
        let (_b, mut two) = join(&line, "b", 9).unwrap();
        let mut late = place(&mut one).unwrap();
        late.due = Instant::now();
        let due = late.due;
        std::thread::sleep(Duration::from_millis(2));
        drop(late);
        assert_eq!(place(&mut two).unwrap().due, due);
        // Who comes to a free place begins then.
        let (_c, mut three) = join(&line, "c", 9).unwrap();
        assert!(place(&mut three).unwrap().due > due);
    }

    #[tokio::test]
    async fn work_given_up_in_the_middle_frees_its_place() {
        let line = line(1);
        let (_a, turn) = join(&line, "a", 9).unwrap();
        let work = async move { turn.comes().await.unwrap().work(Duration::MAX / 4).await };
        let begun = tokio::time::timeout(Duration::from_millis(1), work).await;
        assert!(begun.is_err() && line.state().working.is_empty());
    }
}
