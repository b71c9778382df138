//! How the run stands right now: the last second of finished requests.

use std::{
    collections::{BTreeMap, VecDeque},
    iter::Peekable,
    time::Duration,
};

use lab_load::{
    Plan, Sample,
    schedule::Arrivals,
    summary::{Distribution, Expectation, Fate, observed},
};
use lab_record::Tick;

use crate::scenario::{Class, Scenario};

const WINDOW: Duration = Duration::from_secs(1);

/// Keeps what a [`Tick`] needs.
#[derive(Debug)]
pub(super) struct Live {
    classes: Vec<Known>,
    phases: Vec<(String, Duration)>,
    /// Intended sends until now, and until the window begins.
    offered: Offered,
    offered_before: Offered,
    /// What finished within the window.
    recent: VecDeque<Sample>,
    finished: u64,
}

/// What it takes to judge a request of a class.
#[derive(Debug)]
struct Known {
    name: String,
    expectation: Expectation,
    timeout: Duration,
}

impl Known {
    fn of(class: &Class) -> Self {
        Self {
            name: class.name.clone(),
            expectation: class.expectation(),
            timeout: class.timeout,
        }
    }
}

impl Live {
    pub(super) fn new(scenario: &Scenario, plan: &Plan) -> Self {
        Self {
            classes: scenario.classes.iter().map(Known::of).collect(),
            phases: scenario
                .spans()
                .map(|(phase, _, end)| (phase.name.clone(), end))
                .collect(),
            offered: Offered::of(plan),
            offered_before: Offered::of(plan),
            recent: VecDeque::new(),
            finished: 0,
        }
    }

    /// Takes in a finished request.
    pub(super) fn add(&mut self, sample: Sample) {
        // Who asks again is no arrival of the plan.
        self.finished += u64::from(sample.attempt == 0);
        self.recent.push_back(sample);
    }

    /// How the run stands at `now`.
    pub(super) fn tick(&mut self, now: Duration, replicas: usize) -> Tick {
        let start = now.saturating_sub(WINDOW);
        while self
            .recent
            .front()
            .is_some_and(|sample| sample.done < start)
        {
            self.recent.pop_front();
        }
        let seconds = now.saturating_sub(start).as_secs_f64().max(0.001);
        let offered = self.offered.until(now);
        let before = if start.is_zero() {
            0
        } else {
            self.offered_before.until(start)
        };
        let per_second = |count: usize| count as f64 / seconds;
        let ended = |fate: Fate| {
            let of_fate = |sample: &&Sample| self.fate(sample) == fate;
            self.recent.iter().filter(of_fate).count()
        };
        // As the report counts them: a right refusal is neither an answer nor a failure.
        let (ok, refused) = (ended(Fate::Ok), ended(Fate::Expected));
        let phase = self
            .phases
            .iter()
            .find(|(_, end)| now < *end)
            .or(self.phases.last());
        Tick {
            t_s: now.as_secs_f64(),
            phase: phase.map_or(String::new(), |(name, _)| name.clone()),
            offered_per_s: per_second(offered - before),
            ok_per_s: per_second(ok),
            refused_per_s: per_second(refused),
            failed_per_s: per_second(self.recent.len() - ok - refused),
            p95_ms: self.p95_ms(|_| true),
            p95_ms_by_class: self.p95_ms_by_class(),
            in_flight: (offered as u64).saturating_sub(self.finished),
            replicas: replicas as u32,
        }
    }

    fn fate(&self, sample: &Sample) -> Fate {
        let class = &self.classes[usize::from(sample.class)];
        class.expectation.fate(sample.end)
    }

    fn p95_ms_by_class(&self) -> BTreeMap<String, f64> {
        let classes = self.classes.iter().enumerate();
        classes
            .filter_map(|(index, class)| {
                let p95 = self.p95_ms(|sample| usize::from(sample.class) == index)?;
                Some((class.name.clone(), p95))
            })
            .collect()
    }

    /// Of those that ended in the window, right refusals apart; a failure is no faster than giving up.
    fn p95_ms(&self, of: impl Fn(&Sample) -> bool) -> Option<f64> {
        let samples = self.recent.iter().filter(|sample| of(sample));
        let times = samples.filter_map(|sample| {
            let timeout = self.classes[usize::from(sample.class)].timeout;
            observed(sample.latency(), self.fate(sample), timeout)
        });
        Some(times.collect::<Distribution>().percentile(95)?.ms)
    }
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
    use lab_load::End;
    use lab_record::RunId;

    use super::{super::plan, *};
    use crate::scenario::built_in;

    #[test]
    fn a_refusal_is_neither_an_answer_nor_a_failure_and_classes_are_told_apart() {
        let scenario = built_in("timeouts").unwrap();
        let id: RunId = "20261128T120000Z-0001".parse().unwrap();
        let mut live = Live::new(&scenario, &plan::load(&scenario, &id).unwrap());
        let mut end = |class: u16, millis: u64, end: End| {
            let intended = Duration::from_millis(600);
            live.add(Sample {
                intended,
                written: None,
                first_byte: None,
                done: intended + Duration::from_millis(millis),
                key: 0,
                class,
                end,
                attempt: 0,
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
        let tick = live.tick(Duration::from_secs(1), 1);
        let counted = [tick.ok_per_s, tick.refused_per_s, tick.failed_per_s];
        assert_eq!(counted.map(|rate| rate.round() as u64), [35, 6, 1]);
        let names: Vec<_> = scenario.classes.iter().map(|class| &class.name).collect();
        let p95 = |class: usize| tick.p95_ms_by_class[names[class]];
        assert!((p95(0) - 20.0).abs() < 1.0, "{tick:?}");
        assert!((p95(1) - 1.0).abs() < 0.1, "{tick:?}");
    }
}
