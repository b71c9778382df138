//! What is due next: the schedules of all classes as one, made as it goes.

use std::iter::Peekable;

use super::{ClassPlan, Plan, Share, flight::Arrival};

/// The arrivals of all classes that belong to a share, in order of time; of those due together the first class's first.
pub(super) struct Upcoming {
    classes: Vec<Peekable<Box<dyn Iterator<Item = Arrival>>>>,
}

impl Upcoming {
    pub(super) fn new(plan: &Plan, share: Share) -> Self {
        let classes = (0u16..).zip(&plan.classes);
        Self {
            classes: classes
                .map(|(index, class)| of_class(index, class, share).peekable())
                .collect(),
        }
    }
}

impl Iterator for Upcoming {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let next = self.classes.iter_mut().enumerate();
        let due = next.filter_map(|(class, next)| Some((class, next.peek()?.intended)));
        let (first, _) = due.min_by_key(|(_, intended)| *intended)?;
        self.classes[first].next()
    }
}

fn of_class(index: u16, class: &ClassPlan, share: Share) -> Box<dyn Iterator<Item = Arrival>> {
    let class = class.clone();
    let arrivals = (0u64..).zip(class.schedule.arrivals());
    let own = arrivals.filter(move |(n, _)| share.has(*n));
    Box::new(own.map(move |(n, intended)| Arrival {
        intended,
        class: index,
        key: class.key_of(n),
        attempt: 0,
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Repeat,
        schedule::{Shape, Spacing, Stretch},
    };

    fn plan(rates: &[(f64, Spacing)]) -> Plan {
        let class = |(index, (rate, spacing)): (usize, &(f64, Spacing))| {
            let stretch = Stretch {
                length: Duration::from_secs(2),
                shape: Shape::Constant((*rate).try_into().unwrap()),
            };
            let mut class = ClassPlan::get(&index.to_string(), "/", vec![stretch]);
            class.repeat = Some(Repeat { every: 7, lag: 2 });
            class.schedule.spacing = *spacing;
            class
        };
        Plan::of("run", rates.iter().enumerate().map(class).collect())
    }

    /// All at once, sorted.
    fn all_at_once(plan: &Plan, share: Share) -> Vec<(Duration, u16, u64)> {
        let mut all = Vec::new();
        for (index, class) in (0u16..).zip(&plan.classes) {
            let arrivals = (0u64..).zip(class.schedule.arrivals());
            let own = arrivals.filter(|(n, _)| share.has(*n));
            all.extend(own.map(|(n, at)| (at, index, class.key_of(n))));
        }
        all.sort_by_key(|(at, ..)| *at);
        all
    }

    proptest! {
        #[test]
        fn arrivals_come_as_if_they_had_been_sorted(
            rates in proptest::collection::vec((0.0..60.0, any::<Option<u64>>()), 0..4),
            of in 1u32..4,
        ) {
            let spacing = |seed: Option<u64>| {
                seed.map_or(Spacing::Even, |seed| Spacing::Poisson { seed })
            };
            let rates: Vec<_> = rates
                .into_iter()
                .map(|(rate, seed)| (f64::floor(rate), spacing(seed)))
                .collect();
            let plan = plan(&rates);
            for index in 0..of {
                let share = Share { index, of };
                let come: Vec<_> = Upcoming::new(&plan, share)
                    .map(|arrival| (arrival.intended, arrival.class, arrival.key))
                    .collect();
                prop_assert_eq!(come, all_at_once(&plan, share));
            }
        }
    }
}
