//! How the run stands right now: the last second of finished requests.

use std::{collections::VecDeque, iter::Peekable, time::Duration};

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
    expectations: Vec<Expectation>,
    timeouts: Vec<Duration>,
    phases: Vec<(String, Duration)>,
    /// Intended sends until now, and until the window begins.
    offered: Offered,
    offered_before: Offered,
    /// What finished within the window.
    recent: VecDeque<Sample>,
    finished: u64,
}

impl Live {
    pub(super) fn new(scenario: &Scenario, plan: &Plan) -> Self {
        Self {
            expectations: scenario.classes.iter().map(Class::expectation).collect(),
            timeouts: scenario.classes.iter().map(|class| class.timeout).collect(),
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
        let ok = self
            .recent
            .iter()
            .filter(|sample| self.went_well(sample))
            .count();
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
            failed_per_s: per_second(self.recent.len() - ok),
            p95_ms: self.p95_ms(),
            in_flight: (offered as u64).saturating_sub(self.finished),
            replicas: replicas as u32,
        }
    }

    fn went_well(&self, sample: &Sample) -> bool {
        let expectation = &self.expectations[usize::from(sample.class)];
        matches!(expectation.fate(sample.end), Fate::Ok | Fate::Expected)
    }

    /// Of all that finished in the window, right refusals apart; a failure is no faster than giving up.
    fn p95_ms(&self) -> Option<f64> {
        let times = self.recent.iter().filter_map(|sample| {
            let class = usize::from(sample.class);
            let fate = self.expectations[class].fate(sample.end);
            observed(sample.latency(), fate, self.timeouts[class])
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
