//! Several send loops of one engine, each on a thread of its own: how many, their start together, and one recording of
//! what they did.

use std::{num::NonZero, sync::Arc, thread, time::Instant};

use tokio::sync::oneshot;

use super::{
    Handshakes, LoadError, Plan, Recording, Share,
    engine::{self, Orders},
    merge,
    meter::Meter,
    schedule,
    summary::Distribution,
};

/// Requests a second that are left to one loop, in the busiest moment of a schedule.
///
/// On two shared x86-64 cores a loop that sends each request on time took 33 µs of CPU for it at 10,000 a second, which is
/// a third of a core, and less at higher rates, where one wake-up serves several. If it were no less, twice that rate
/// would take two thirds of a core: the most that the self-check believes without a doubt (70 %). A faster core has that
/// much more to spare.
const RATE_OF_A_LOOP: f64 = 20_000.0;

/// How many loops an engine has for its share of a plan: as many as the plan says; else as many as its busiest moment
/// wants, but for one core, which is left to the services, the kernel's network and the rest of the driver. One, as a rule.
pub fn loops(plan: &Plan, share: Share) -> u32 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    wanted(plan, share, u32::try_from(cores).unwrap_or(u32::MAX))
}

fn wanted(plan: &Plan, share: Share, cores: u32) -> u32 {
    if let Some(said) = plan.loops {
        return said.get();
    }
    let schedules = plan.classes.iter().map(|class| &class.schedule);
    let busiest = schedule::peak(schedules) / f64::from(share.of);
    let wanted = (busiest / RATE_OF_A_LOOP).ceil() as u32;
    wanted.min(cores.saturating_sub(1)).max(1)
}

/// The word to begin.
#[derive(Debug)]
pub(super) struct Start {
    /// The zero of every offset.
    pub(super) t0: Instant,
    pub(super) meter: Arc<Meter>,
}

/// All that a loop has to tell in the end.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its own part: nothing of the machine.
    pub(super) recording: Recording,
    pub(super) handshakes: Option<Distribution>,
    /// Of the machine, by the loop that was the last.
    pub(super) machine: Option<Recording>,
}

/// A loop that only waits for its start. It gives up where this is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    begin: oneshot::Sender<Start>,
    outcome: oneshot::Receiver<Result<Ended, LoadError>>,
}

/// A loop under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    outcome: oneshot::Receiver<Result<Ended, LoadError>>,
}

impl Waiting {
    /// Starts the thread of a loop; returns when its connections stand. One that fails later stops all that share its
    /// token.
    pub(super) async fn prepare(orders: Orders) -> Result<Self, LoadError> {
        let (prepared, ready) = oneshot::channel();
        let (begin, start) = oneshot::channel();
        let (ended, outcome) = oneshot::channel();
        let stop = orders.stop.clone();
        thread::Builder::new().name("load".into()).spawn(move || {
            let unless_well = stop.drop_guard();
            let done = engine::run(orders, prepared, start);
            if done.is_ok() {
                unless_well.disarm();
            }
            // Nobody may be waiting any more.
            let _ = ended.send(done);
        })?;
        match ready.await {
            Ok(()) => Ok(Self { begin, outcome }),
            // It gave up before the start; the outcome says why.
            Err(_) => match outcome.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) | Err(_) => Err(LoadError::Lost),
            },
        }
    }

    pub(super) fn begin(self, start: Start) -> UnderWay {
        // A thread that is gone says so through the outcome.
        let _ = self.begin.send(start);
        UnderWay {
            outcome: self.outcome,
        }
    }
}

/// Waits for the last request of the last loop.
pub(super) async fn finish(loops: Vec<UnderWay>) -> Result<Recording, LoadError> {
    let mut all = Vec::new();
    for one in loops {
        all.push(one.outcome.await.map_err(|_| LoadError::Lost)??);
    }
    Ok(together(all))
}

/// One recording of all. Their cells are added up, as those of any other parts: no figure is an average of theirs.
fn together(loops: Vec<Ended>) -> Recording {
    let mut machine = Recording::default();
    let mut handshakes: Option<Distribution> = None;
    let mut parts = Vec::new();
    for one in loops {
        if let Some(readings) = one.machine {
            machine = readings;
        }
        if let Some(times) = one.handshakes {
            handshakes.get_or_insert_default().merge(&times);
        }
        parts.push(one.recording);
    }
    Recording {
        wall: machine.wall,
        process_cpu: machine.process_cpu,
        hiccups: machine.hiccups,
        floor: machine.floor,
        syn_retransmits: machine.syn_retransmits,
        handshakes: handshakes.as_ref().map(Handshakes::of),
        ..merge(parts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        ClassPlan,
        schedule::{Shape, Stretch},
    };

    /// Two classes, each at one of its rates after the other.
    fn plan(rates: [[f64; 2]; 2]) -> Plan {
        let stretch = |rate: f64| Stretch {
            length: Duration::from_secs(1),
            shape: Shape::Constant(rate.try_into().unwrap()),
        };
        let classes = ["a", "b"].iter().zip(rates);
        let classes =
            classes.map(|(name, rates)| ClassPlan::get(name, "/", rates.map(stretch).into()));
        Plan::of("run", classes.collect())
    }

    #[test]
    fn one_loop_is_the_rule_and_its_busiest_moment_says_when_not() {
        let of = |rates, share, cores| wanted(&plan(rates), share, cores);
        let whole = Share::WHOLE;
        assert_eq!(of([[0.0; 2]; 2], whole, 64), 1);
        assert_eq!(of([[100.0, 400.0], [20.0, 0.0]], whole, 64), 1);
        assert_eq!(of([[20_000.0, 0.0], [0.0, 20_000.0]], whole, 64), 1);
        assert_eq!(of([[20_000.0, 0.0], [1.0, 20_000.0]], whole, 64), 2);
        assert_eq!(of([[50_000.0, 0.0]; 2], whole, 64), 5);
        // Pods have a share each, and some core is left to others.
        assert_eq!(of([[50_000.0, 0.0]; 2], Share { index: 1, of: 2 }, 64), 3);
        assert_eq!(of([[50_000.0, 0.0]; 2], whole, 4), 3);
        assert_eq!(of([[50_000.0, 0.0]; 2], whole, 1), 1);
    }

    #[test]
    fn who_knows_better_says_how_many() {
        let mut plan = plan([[1.0; 2]; 2]);
        plan.loops = NonZero::new(3);
        assert_eq!(wanted(&plan, Share::WHOLE, 1), 3);
    }
}
