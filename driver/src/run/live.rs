//! How the run stands right now: the last second of finished requests.

use std::{collections::BTreeMap, iter::Peekable, time::Duration};

use lab_load::{Account, Cell, CellsPart, Plan, schedule::Arrivals, summary::Distribution};
use lab_record::Tick;

use crate::scenario::Scenario;

const WINDOW: Duration = Duration::from_secs(1);

/// Keeps what a [`Tick`] needs.
#[derive(Debug)]
pub(super) struct Live {
    /// The names of the classes.
    classes: Vec<String>,
    phases: Vec<(String, Duration)>,
    /// Intended sends until now, until the window begins, and until what is known of all engines.
    offered: Offered,
    offered_before: Offered,
    offered_known: Offered,
    /// Until when each engine has told what became of its requests.
    known: Vec<Duration>,
    /// What was told of the window.
    recent: Vec<Recent>,
    finished: u64,
}

/// An account, and of how long a while it is.
#[derive(Debug)]
struct Recent {
    engine: usize,
    took: Duration,
    until: Duration,
    part: CellsPart,
}

impl Live {
    /// Of a load that so many engines send.
    pub(super) fn new(scenario: &Scenario, plan: &Plan, engines: usize) -> Self {
        Self {
            classes: plan
                .classes
                .iter()
                .map(|class| class.name.clone())
                .collect(),
            phases: scenario
                .spans()
                .map(|(phase, _, end)| (phase.name.clone(), end))
                .collect(),
            offered: Offered::of(plan),
            offered_before: Offered::of(plan),
            offered_known: Offered::of(plan),
            known: vec![Duration::ZERO; engines],
            recent: Vec::new(),
            finished: 0,
        }
    }

    /// Takes in what an engine tells.
    pub(super) fn add(&mut self, account: Account) {
        let Account {
            engine,
            until,
            part,
        } = account;
        let engine = engine as usize;
        let Some(known) = self.known.get_mut(engine) else {
            return;
        };
        let took = until.saturating_sub(*known);
        *known = until;
        // Who asks again is no arrival of the plan.
        self.finished += part.requests() - part.again();
        self.recent.push(Recent {
            engine,
            took,
            until,
            part,
        });
    }

    /// How the run stands at `now`.
    pub(super) fn tick(&mut self, now: Duration, replicas: usize) -> Tick {
        let start = now.saturating_sub(WINDOW);
        let seconds = now.saturating_sub(start).as_secs_f64().max(0.001);
        self.recent.retain(|recent| recent.until > start);
        let before = if start.is_zero() {
            0
        } else {
            self.offered_before.until(start)
        };
        let offered = self.offered.until(now) - before;
        let known = self.known.iter().min().copied().unwrap_or_default();
        let due = self.offered_known.until(known) as u64;
        let ended = || self.cells().map(|cell| cell.ended);
        let all: u64 = ended().map(|ended| ended.all).sum();
        // As the report counts them: a right refusal is neither an answer nor a failure.
        let ok: u64 = ended().map(|ended| ended.ok).sum();
        let refused: u64 = ended().map(|ended| ended.expected).sum();
        let told = self.seconds_told();
        let phase = self
            .phases
            .iter()
            .find(|(_, end)| now < *end)
            .or(self.phases.last());
        Tick {
            t_s: now.as_secs_f64(),
            phase: phase.map_or(String::new(), |(name, _)| name.clone()),
            offered_per_s: offered as f64 / seconds,
            ok_per_s: ok as f64 / told,
            refused_per_s: refused as f64 / told,
            failed_per_s: (all - ok - refused) as f64 / told,
            p95_ms: p95_ms(self.cells()),
            p95_ms_by_class: self.p95_ms_by_class(),
            in_flight: due.saturating_sub(self.finished),
            replicas: replicas as u32,
            stage: BTreeMap::new(),
        }
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.recent.iter().flat_map(|recent| recent.part.all())
    }

    /// Of how many seconds of the window is told, by the engine that has told most.
    fn seconds_told(&self) -> f64 {
        let mut told = vec![Duration::ZERO; self.known.len()];
        for recent in &self.recent {
            told[recent.engine] += recent.took;
        }
        let most = told.into_iter().max().unwrap_or_default();
        most.as_secs_f64().max(0.001)
    }

    fn p95_ms_by_class(&self) -> BTreeMap<String, f64> {
        let classes = self.classes.iter().enumerate();
        classes
            .filter_map(|(class, name)| {
                let parts = self.recent.iter().map(|recent| &recent.part);
                let cells = parts.flat_map(|part| part.of(class));
                let p95 = p95_ms(cells.map(|(_, cell)| cell))?;
                Some((name.clone(), p95))
            })
            .collect()
    }
}

/// Of those that ended in the window, right refusals apart; a failure is no faster than giving up.
fn p95_ms<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<f64> {
    Some(cells.collect::<Distribution>().percentile(95)?.ms)
}

/// Counts the arrivals of a plan as time goes on.
#[derive(Debug)]
struct Offered {
    classes: Vec<Peekable<Arrivals>>,
    count: usize,
}

impl Offered {
    fn of(plan: &Plan) -> Self {
        let classes = plan.classes.iter();
        Self {
            classes: classes
                .map(|class| class.schedule.arrivals().peekable())
                .collect(),
            count: 0,
        }
    }

    /// How many are due by `time`, which never goes back.
    fn until(&mut self, time: Duration) -> usize {
        for class in &mut self.classes {
            while class.next_if(|arrival| *arrival <= time).is_some() {
                self.count += 1;
            }
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use lab_load::{Cells, End, Sample};

    use super::*;
    use crate::{run::plan, scenario::step};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// One that was answered at once.
    fn sample(at: Duration) -> Sample {
        Sample {
            intended: at,
            written: Some(at),
            first_byte: Some(at),
            done: at + ms(3),
            key: 0,
            class: 0,
            end: End::Answered(200),
            attempt: 0,
        }
    }

    #[test]
    fn a_refusal_is_neither_an_answer_nor_a_failure_and_classes_are_told_apart() {
        let scenario = step("timeouts").unwrap();
        let plan = plan::load(&scenario, &"20261128T120000Z-0001".parse().unwrap()).unwrap();
        let mut cells = Cells::new(&plan);
        let mut end = |class: u16, took: u64, end: End| {
            let intended = ms(600);
            cells.add(&Sample {
                done: intended + ms(took),
                class,
                end,
                ..sample(intended)
            });
        };
        for _ in 0..34 {
            end(0, 20, End::Answered(200));
        }
        for _ in 0..6 {
            end(0, 200, End::Answered(504));
        }
        end(0, 20, End::Answered(500));
        end(1, 1, End::Answered(200));
        let mut live = Live::new(&scenario, &plan, 1);
        live.add(Account {
            engine: 0,
            until: ms(1000),
            part: cells.take(),
        });
        let tick = live.tick(ms(1000), 1);
        let counted = [tick.ok_per_s, tick.refused_per_s, tick.failed_per_s];
        assert_eq!(counted.map(|rate| rate.round() as u64), [35, 6, 1]);
        let p95 = |class: usize| tick.p95_ms_by_class[&plan.classes[class].name];
        assert!((p95(0) - 20.0).abs() < 1.0, "{tick:?}");
        assert!((p95(1) - 1.0).abs() < 0.1, "{tick:?}");
    }

    #[test]
    fn engines_that_tell_at_different_times_add_up_to_what_they_send_together() {
        let scenario = step("timeouts").unwrap();
        let plan = plan::load(&scenario, &"20261125T183012Z-4f2a".parse().unwrap()).unwrap();
        let mut live = Live::new(&scenario, &plan, 2);
        // 40 requests a second, in turn: each engine tells what ended until 50 or 150 ms ago.
        let mut cells = [0, 1].map(|_| Cells::new(&plan));
        let mut engines = [0, 1].map(|_| ms(0));
        let mut ticks = Vec::new();
        let mut sent = 0;
        for tick in 1..=12 {
            let now = ms(250) * tick;
            for (engine, lag) in [(0, ms(50)), (1, ms(150))] {
                let until = now.saturating_sub(lag);
                let due = (0..)
                    .map(|n| (n, ms(25) * n))
                    .skip_while(|(_, at)| *at + ms(3) < engines[engine]);
                for (n, at) in due.take_while(|(_, at)| *at + ms(3) < until) {
                    if n as usize % 2 == engine {
                        cells[engine].add(&sample(at));
                        sent += 1;
                    }
                }
                engines[engine] = until;
                live.add(Account {
                    engine: engine as u32,
                    until,
                    part: cells[engine].take(),
                });
            }
            ticks.push(live.tick(now, 1));
        }
        assert!(sent > 100);
        for tick in &ticks[4..] {
            assert!((tick.ok_per_s - 40.0).abs() < 3.0, "{tick:?}");
            assert!(tick.failed_per_s.abs() < f64::EPSILON, "{tick:?}");
            assert!((tick.p95_ms.unwrap() - 3.0).abs() < 0.01, "{tick:?}");
        }
        // One that has fallen silent is not made up for.
        live.add(Account {
            engine: 0,
            until: ms(4_000),
            part: CellsPart::default(),
        });
        let silent = live.tick(ms(4_500), 1);
        assert!(silent.ok_per_s < 1.0, "{silent:?}");
    }
}
