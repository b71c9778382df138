//! Two groups of runs, each run counted once.
//!
//! Requests of one run are no independent observations: they share its queue, its machine and its luck. So a
//! group is a handful of numbers, one a run, and what is asked is whether one group's tend to be larger: the
//! exact two-sided test of Mann and Whitney (Ann. Math. Statist. 18, 1947), conditional on ties, and the
//! Hodges–Lehmann estimate of the ratio with the interval that belongs to the test (Hollander, Wolfe and Chicken,
//! *Nonparametric Statistical Methods*, 3rd ed., sections 4.1 to 4.3). Several classes are several chances
//! to be wrong; their p-values are adjusted as Holm does (Scand. J. Statist. 6, 1979).

use lab_record::Run;

use super::stretch;
use crate::words::number::{counted, three_digits};

/// Runs of each group from which on a difference may be called one. Smaller groups can't reach it: of 4 and 4
/// runs even the clearest order has p = 2/70, and that is before the adjustment for several classes.
pub const ENOUGH: usize = 5;

/// The share of identical groups that may be called different.
pub const ALPHA: f64 = 0.05;

/// One class in both groups.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupedClass {
    /// Its name.
    pub name: String,
    /// The stretch that the values are of: a phase with a fault, or `all`.
    pub phase: String,
    /// The 99th percentile of each run of the first group, milliseconds.
    pub a: Vec<f64>,
    /// The same of the second group.
    pub b: Vec<f64>,
    /// True where one of the values is only a lower bound.
    pub censored: bool,
    /// b / a: the estimate and its interval.
    pub ratio: Interval,
    /// The probability of groups at least as far apart where there is no difference, adjusted for the number of
    /// classes.
    pub p: f64,
}

/// An estimate with an interval that holds the true value in at least 95 of 100 cases, where there are enough
/// runs for one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// From, to; none where there are too few runs.
    pub bounds: Option<(f64, f64)>,
}

/// Compares two groups of runs, class by class; of classes that a run lacks nothing is said.
pub fn compare(a: &[Run], b: &[Run]) -> Vec<GroupedClass> {
    let (Some(first), Some(last)) = (a.first(), b.first()) else {
        return Vec::new();
    };
    let mut classes: Vec<GroupedClass> = last
        .classes
        .iter()
        .filter_map(|class| {
            let other = first
                .classes
                .iter()
                .find(|other| other.name == class.name)?;
            let phase = stretch(first, last, other, class).1.phase.clone();
            let (a, in_a) = values(a, &class.name, &phase)?;
            let (b, in_b) = values(b, &class.name, &phase)?;
            Some(GroupedClass {
                name: class.name.clone(),
                ratio: ratio(&a, &b),
                p: mann_whitney(&a, &b),
                phase,
                a,
                b,
                censored: in_a || in_b,
            })
        })
        .collect();
    adjust(&mut classes);
    classes
}

/// The 99th percentile of each run, and whether one is a lower bound; none where a run has none.
fn values(runs: &[Run], class: &str, phase: &str) -> Option<(Vec<f64>, bool)> {
    let of = |run: &Run| {
        let class = run.classes.iter().find(|other| other.name == class)?;
        let mut stretches = class.by_phase.iter().chain([&class.total]);
        stretches.find(|stats| stats.phase == phase)?.latency.p99
    };
    let quantiles: Vec<_> = runs.iter().map(of).collect::<Option<_>>()?;
    let censored = quantiles.iter().any(|quantile| quantile.censored);
    Some((
        quantiles.iter().map(|quantile| quantile.ms).collect(),
        censored,
    ))
}

/// Holm: the smallest p times the number of classes, the next times one less, and never falling.
fn adjust(classes: &mut [GroupedClass]) {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|x, y| classes[*x].p.total_cmp(&classes[*y].p));
    let mut least = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let times = (classes.len() - rank) as f64;
        least = least.max((classes[index].p * times).min(1.0));
        classes[index].p = least;
    }
}

impl GroupedClass {
    /// Whether the groups differ more than identical ones do in all but 5 of 100 cases.
    pub fn differs(&self) -> bool {
        self.a.len().min(self.b.len()) >= ENOUGH && self.p <= ALPHA
    }

    /// What can be said, as a sentence.
    pub fn sentence(&self) -> String {
        let place = match self.phase.as_str() {
            "all" => self.name.clone(),
            phase => format!("{} in phase {phase}", self.name),
        };
        let times = |value: f64| match value {
            less if less < 0.995 => format!("{} %", three_digits(less * 100.0)),
            more => format!("{} ×", three_digits(more)),
        };
        let of_a = match times(self.ratio.estimate) {
            share if share.ends_with('%') => format!("{share} of A"),
            multiple => format!("{multiple} A"),
        };
        let bound = if self.censored {
            ", with lower bounds among the values"
        } else {
            ""
        };
        let interval = self.ratio.bounds.map_or(String::new(), |(from, to)| {
            format!(", 95 % interval {} to {}", times(from), times(to))
        });
        if self.a.len().min(self.b.len()) < ENOUGH {
            return format!(
                "p99 of {place}: B is {of_a} in {} against {}, too few to call it a difference; it takes {ENOUGH} each",
                counted(self.b.len(), "run", "runs"),
                self.a.len(),
            );
        }
        let verdict = if self.differs() {
            "differs"
        } else {
            "is not distinguishable"
        };
        format!(
            "p99 of {place} {verdict}: B is {of_a}{interval}{bound} (p = {:.3})",
            self.p
        )
    }
}

/// The median of all ratios of a value of `b` to one of `a`.
fn ratio(a: &[f64], b: &[f64]) -> Interval {
    let mut ratios: Vec<f64> = a
        .iter()
        .flat_map(|a| b.iter().map(move |b| b / a))
        .filter(|ratio| ratio.is_finite())
        .collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    let estimate = match ratios.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => ratios[middle],
        _ => f64::midpoint(ratios[middle - 1], ratios[middle]),
    };
    let cut = ranks_cut_off(a.len(), b.len());
    let bounds = (cut > 0 && ratios.len() == a.len() * b.len())
        .then(|| (ratios[cut - 1], ratios[ratios.len() - cut]));
    Interval { estimate, bounds }
}

/// How many of the ordered ratios lie beyond each end of the interval, that end included; 0 where the groups
/// are too small for one.
fn ranks_cut_off(n: usize, m: usize) -> usize {
    let ranks: Vec<usize> = (1..=n + m).map(|rank| 2 * rank).collect();
    let counts = rank_sums(&ranks, n);
    let all: f64 = counts.iter().sum();
    let smallest = n * (n + 1);
    let mut below = 0.0;
    // U = (doubled sum - smallest) / 2 takes the values 0, 1, …
    (0..=n * m)
        .take_while(|u| {
            below += counts[smallest + 2 * u];
            below / all <= ALPHA / 2.0
        })
        .count()
}

/// The two-sided p-value: the share of all ways to deal the values into two groups of these sizes whose rank
/// sum is at least as far from the middle as that of `a`. 1 where a group is empty.
fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_by(f64::total_cmp);
    // Doubled, so that the mean rank of tied values is whole: first + last of their places.
    let rank = |value: f64| {
        let first = all.partition_point(|other| *other < value);
        let last = all.partition_point(|other| *other <= value);
        first + 1 + last
    };
    let ranks: Vec<usize> = all.iter().map(|value| rank(*value)).collect();
    let seen: usize = a.iter().map(|value| rank(*value)).sum();
    let counts = rank_sums(&ranks, a.len());
    let middle = a.len() * (all.len() + 1);
    let far = seen.abs_diff(middle);
    let total: f64 = counts.iter().sum();
    let as_far = counts
        .iter()
        .enumerate()
        .filter(|(sum, _)| sum.abs_diff(middle) >= far);
    as_far.map(|(_, count)| count).sum::<f64>() / total
}

/// In how many ways `take` of the ranks add up to each sum.
fn rank_sums(ranks: &[usize], take: usize) -> Vec<f64> {
    let largest: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; largest + 1]; take + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for taken in (1..=take).rev() {
            for sum in (*rank..=largest).rev() {
                ways[taken][sum] += ways[taken - 1][sum - rank];
            }
        }
    }
    ways.swap_remove(take)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_said_in_a_sentence() {
        let class = |a: &[f64], b: &[f64]| GroupedClass {
            name: "local".to_owned(),
            phase: "fault".to_owned(),
            a: a.to_vec(),
            b: b.to_vec(),
            censored: false,
            ratio: ratio(a, b),
            p: mann_whitney(a, b),
        };
        let slow = [4900.0, 4910.0, 4920.0, 4930.0, 4940.0];
        let fast = [20.0, 21.0, 22.0, 23.0, 24.0];
        let said = class(&slow, &fast).sentence().replace('\u{a0}', " ");
        assert_eq!(
            said,
            "p99 of local in phase fault differs: B is 0.447 % of A, 95 % interval 0.407 % to 0.488 % (p = 0.008)"
        );
        let said = class(&fast, &fast).sentence().replace('\u{a0}', " ");
        assert!(
            said.contains("is not distinguishable: B is 1 × A"),
            "{said}"
        );
        let said = class(&slow[..2], &fast).sentence();
        assert!(said.contains("too few to call it a difference"), "{said}");
    }

    #[test]
    fn p_values_are_those_of_the_tables() {
        // 5 against 5 in perfect order: 2 of the 252 ways are as far apart.
        let p = mann_whitney(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((p - 2.0 / 252.0).abs() < 1e-12, "{p}");
        // U = 3 of 25: 14 of the 252.
        let p = mann_whitney(&[1.0, 2.0, 3.0, 4.0, 8.0], &[5.0, 6.0, 7.0, 9.0, 10.0]);
        assert!((p - 14.0 / 252.0).abs() < 1e-12, "{p}");
        // All the same: nothing is less apart.
        assert!((mann_whitney(&[1.0; 5], &[1.0; 5]) - 1.0).abs() < 1e-12);
        assert!((mann_whitney(&[], &[1.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn intervals_cut_off_as_many_as_the_tables_say() {
        // Critical values of U for two-sided 5 % (Hollander, Wolfe and Chicken), plus one.
        assert_eq!(ranks_cut_off(5, 5), 3);
        assert_eq!(ranks_cut_off(8, 8), 14);
        assert_eq!(ranks_cut_off(10, 10), 24);
        assert_eq!(ranks_cut_off(3, 3), 0);
    }

    #[test]
    fn the_ratio_is_that_of_every_pair() {
        let interval = ratio(
            &[10.0, 11.0, 12.0, 13.0, 14.0],
            &[20.0, 22.0, 24.0, 26.0, 28.0],
        );
        assert!((interval.estimate - 2.0).abs() < 1e-12, "{interval:?}");
        let (from, to) = interval.bounds.unwrap();
        assert!(from < 2.0 && 2.0 < to, "{interval:?}");
    }

    /// Groups of runs as real ones are: the 99th percentiles of repeated runs scatter about a common value by
    /// some tens of percent, now and then one is far out, and classes of one run share its luck.
    struct World {
        random: fastrand::Rng,
    }

    impl World {
        /// A standard normal value, as Box and Muller make it.
        fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.random.f64()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.random.f64()).cos()
        }

        fn run(&mut self, classes: usize, times: f64) -> Vec<f64> {
            let luck = self.normal() * 0.2;
            let class = |world: &mut Self| {
                let outlier = if world.random.f64() < 0.05 { 1.5 } else { 0.0 };
                times * (luck + world.normal() * 0.2 + outlier).exp()
            };
            (0..classes).map(|_| class(self)).collect()
        }

        /// Whether any of two classes is called different.
        fn alarm(&mut self, runs: usize, times: f64) -> bool {
            let a: Vec<_> = (0..runs).map(|_| self.run(2, 1.0)).collect();
            let b: Vec<_> = (0..runs).map(|_| self.run(2, times)).collect();
            let of = |group: &[Vec<f64>], class: usize| {
                group.iter().map(|run| run[class]).collect::<Vec<_>>()
            };
            let mut classes: Vec<GroupedClass> = (0..2)
                .map(|class| {
                    let (a, b) = (of(&a, class), of(&b, class));
                    GroupedClass {
                        name: class.to_string(),
                        phase: "all".to_owned(),
                        ratio: ratio(&a, &b),
                        p: mann_whitney(&a, &b),
                        a,
                        b,
                        censored: false,
                    }
                })
                .collect();
            adjust(&mut classes);
            classes.iter().any(GroupedClass::differs)
        }

        fn alarms(runs: usize, times: f64) -> f64 {
            const PAIRS: usize = 2_000;
            let mut world = Self {
                random: fastrand::Rng::with_seed(20_261_124),
            };
            let alarms = (0..PAIRS).filter(|_| world.alarm(runs, times));
            alarms.count() as f64 / PAIRS as f64
        }
    }

    #[test]
    fn of_identical_groups_at_most_one_in_twenty_is_called_different() {
        for runs in [5, 8] {
            let share = World::alarms(runs, 1.0);
            assert!(share <= 0.05, "{runs} runs: {share}");
        }
    }

    #[test]
    fn a_real_difference_is_seen() {
        let (small, large) = (World::alarms(5, 3.0), World::alarms(8, 2.0));
        assert!(small >= 0.8 && large >= 0.8, "{small} {large}");
    }

    #[test]
    fn fewer_runs_are_never_called_different() {
        for runs in 1..ENOUGH {
            assert!(World::alarms(runs, 100.0) == 0.0, "{runs}");
        }
    }
}
