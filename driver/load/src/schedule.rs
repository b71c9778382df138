//! When requests arrive: absolute offsets from the start, all fixed before the run and made one by one as they are
//! needed, so that a schedule takes no memory for its requests.
//!
//! Every schedule is one idea. The rate over time is a chain of straight lines, and a request
//! arrives whenever the expected count, which is the area under those lines, passes a mark. Marks
//! one apart give even spacing; marks at exponential distances give a Poisson process whose
//! intensity is the rate (the time-rescaling theorem).

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

/// Arrivals per second: finite and not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct RatePerSecond(f64);

/// A number that is no rate.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a rate; give requests per second from 0 to {max}", max = RatePerSecond::MAX)]
pub struct RateError(f64);

impl RatePerSecond {
    /// Far above what one send loop can send, so that a typo can't ask for a schedule that fills
    /// the memory.
    pub const MAX: f64 = 1_000_000.0;

    /// The rate as a number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for RatePerSecond {
    type Error = RateError;

    fn try_from(rate: f64) -> Result<Self, RateError> {
        if (0.0..=Self::MAX).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(RateError(rate))
        }
    }
}

impl From<RatePerSecond> for f64 {
    fn from(rate: RatePerSecond) -> Self {
        rate.0
    }
}

/// How the rate of a class goes during one stretch of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// The same throughout.
    Constant(RatePerSecond),
    /// In a straight line.
    Ramp {
        /// At the start.
        from: RatePerSecond,
        /// At the end.
        to: RatePerSecond,
    },
    /// At once.
    Step {
        /// Before.
        from: RatePerSecond,
        /// Afterwards.
        to: RatePerSecond,
        /// Moment of the change, from the start of the stretch.
        after: Duration,
    },
}

/// One stretch of a class's schedule, usually a phase of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// How long it lasts.
    pub length: Duration,
    /// How often requests arrive during it.
    pub shape: Shape,
}

/// How arrivals are spaced at a given rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spacing {
    /// Evenly, like a metronome.
    Even,
    /// Many at once, these groups evenly: a timer that fires in many clients, a page that asks for
    /// everything it shows.
    Bursts {
        /// How many at once.
        of: NonZeroU32,
    },
    /// At random and independently of each other, like many users.
    Poisson {
        /// The same seed gives the same arrivals.
        seed: u64,
    },
}

/// When the requests of a class arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Stretches that follow each other from the start.
    pub stretches: Vec<Stretch>,
    /// How arrivals are spaced in them.
    pub spacing: Spacing,
}

impl Schedule {
    /// The arrivals in order, as offsets from the start; the same each time.
    ///
    /// An arrival lies inside the stretch whose rate caused it: at or after its start, before its end.
    pub fn arrivals(&self) -> Arrivals {
        let lines: Vec<Line> = self.stretches.iter().flat_map(Stretch::lines).collect();
        Arrivals {
            lines: lines.into_iter(),
            marks: Marks::new(self.spacing),
            line: Line::default(),
            start: Duration::ZERO,
            passed: 0.0,
            reached: 0.0,
            together: (Duration::ZERO, 0),
        }
    }

    /// Its rate as straight lines, each with its start.
    fn lines(&self) -> impl Iterator<Item = (Duration, Line)> {
        let lines = self.stretches.iter().flat_map(Stretch::lines);
        lines.scan(Duration::ZERO, |passed, line| {
            let start = *passed;
            *passed += line.length;
            Some((start, line))
        })
    }

    /// How many arrivals there are, and the last of them. It takes their time: each is made for it.
    pub fn extent(&self) -> (u64, Option<Duration>) {
        self.arrivals()
            .fold((0, None), |(count, _), at| (count + 1, Some(at)))
    }
}

/// The highest rate of all these schedules together, requests a second.
pub fn peak<'a>(schedules: impl IntoIterator<Item = &'a Schedule>) -> f64 {
    let schedules = schedules.into_iter();
    let lines: Vec<(Duration, Line)> = schedules.flat_map(Schedule::lines).collect();
    let mut edges: Vec<Duration> = lines
        .iter()
        .flat_map(|(start, line)| [*start, *start + line.length])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    // A sum of straight lines is highest where one of them begins or ends, before that moment or after it.
    let sums = edges.iter().flat_map(|at| {
        let of = |(start, line): &(Duration, Line)| line.rate(at.saturating_sub(*start));
        let end = |(start, line): &(Duration, Line)| *start + line.length;
        let before = lines.iter().filter(|of| of.0 < *at && *at <= end(of));
        let after = lines.iter().filter(|of| of.0 <= *at && *at < end(of));
        [before.map(of).sum(), after.map(of).sum()]
    });
    sums.fold(0.0, f64::max)
}

/// The arrivals of a [`Schedule`].
#[derive(Clone, Debug)]
pub struct Arrivals {
    lines: std::vec::IntoIter<Line>,
    marks: Marks,
    /// The line under way, its start, and the counts expected before it and until its end.
    line: Line,
    start: Duration,
    passed: f64,
    reached: f64,
    /// The moment of the last mark, and how many have yet to arrive at it.
    together: (Duration, usize),
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.together.1 == 0 {
            while self.marks.next >= self.reached {
                self.start += self.line.length;
                self.passed = self.reached;
                self.line = self.lines.next()?;
                self.reached = self.passed + self.line.area();
            }
            let moment = self.start + self.line.moment(self.marks.next - self.passed);
            self.together = (moment, self.marks.together);
            self.marks.advance();
        }
        self.together.1 -= 1;
        Some(self.together.0)
    }
}

impl Stretch {
    /// The shape as one or two straight lines.
    fn lines(&self) -> impl Iterator<Item = Line> + use<> {
        let length = self.length;
        let (first, second) = match self.shape {
            Shape::Constant(rate) => (Line::new(length, rate, rate), None),
            Shape::Ramp { from, to } => (Line::new(length, from, to), None),
            Shape::Step { from, to, after } => {
                let before = after.min(length);
                (
                    Line::new(before, from, from),
                    Some(Line::new(length.saturating_sub(before), to, to)),
                )
            }
        };
        std::iter::once(first).chain(second)
    }
}

/// A rate that goes in a straight line.
#[derive(Clone, Debug, Default)]
struct Line {
    length: Duration,
    from: f64,
    to: f64,
}

impl Line {
    fn new(length: Duration, from: RatePerSecond, to: RatePerSecond) -> Self {
        Self {
            length,
            from: from.get(),
            to: to.get(),
        }
    }

    /// The rate so long after its start. It lasts for some time.
    fn rate(&self, after: Duration) -> f64 {
        let share = after.as_secs_f64() / self.length.as_secs_f64();
        self.from + (self.to - self.from) * share
    }

    /// Requests to expect over the whole line.
    fn area(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.length.as_secs_f64()
    }

    /// The moment at which `count` requests are to be expected since the start of the line.
    ///
    /// Solves `from·t + slope·t²/2 = count` in the form that stays exact where the slope is zero.
    fn moment(&self, count: f64) -> Duration {
        let slope = (self.to - self.from) / self.length.as_secs_f64();
        let rate_then = (self.from * self.from + 2.0 * slope * count)
            .max(0.0)
            .sqrt();
        let seconds = 2.0 * count / (self.from + rate_then);
        let last = self.length.saturating_sub(Duration::from_nanos(1));
        Duration::try_from_secs_f64(seconds).map_or(last, |moment| moment.min(last))
    }
}

/// The expected counts at which requests arrive.
#[derive(Clone, Debug)]
struct Marks {
    next: f64,
    /// How many arrive at each.
    together: usize,
    random: Option<fastrand::Rng>,
}

impl Marks {
    fn new(spacing: Spacing) -> Self {
        match spacing {
            Spacing::Even => Self::even(1),
            Spacing::Bursts { of } => Self::even(of.get() as usize),
            Spacing::Poisson { seed } => {
                let mut marks = Self {
                    next: 0.0,
                    together: 1,
                    random: Some(fastrand::Rng::with_seed(seed)),
                };
                marks.advance();
                marks
            }
        }
    }

    /// Half-way between multiples: a stretch of rate × length requests then gets exactly as many,
    /// however its end is rounded.
    fn even(together: usize) -> Self {
        Self {
            next: together as f64 / 2.0,
            together,
            random: None,
        }
    }

    fn advance(&mut self) {
        self.next += match &mut self.random {
            None => self.together as f64,
            Some(random) => -(1.0 - random.f64()).ln(),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(rate: f64) -> RatePerSecond {
        rate.try_into().unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn constant(length: u64, per_second: f64) -> Stretch {
        Stretch {
            length: seconds(length),
            shape: Shape::Constant(rate(per_second)),
        }
    }

    fn arrivals(stretches: &[Stretch], spacing: Spacing) -> Vec<Duration> {
        let stretches = stretches.to_vec();
        Schedule { stretches, spacing }.arrivals().collect()
    }

    /// All at once, as they were made before they were made one by one.
    fn all_at_once(stretches: &[Stretch], spacing: Spacing) -> Vec<Duration> {
        let mut marks = Marks::new(spacing);
        let mut arrivals = Vec::new();
        let mut start = Duration::ZERO;
        let mut passed = 0.0;
        for line in stretches.iter().flat_map(Stretch::lines) {
            let reached = passed + line.area();
            while marks.next < reached {
                let moment = start + line.moment(marks.next - passed);
                arrivals.extend(std::iter::repeat_n(moment, marks.together));
                marks.advance();
            }
            passed = reached;
            start += line.length;
        }
        arrivals
    }

    fn between(arrivals: &[Duration], from: u64, to: u64) -> usize {
        let span = seconds(from)..seconds(to);
        arrivals.iter().filter(|at| span.contains(*at)).count()
    }

    #[test]
    fn phases_get_exactly_their_requests() {
        let arrivals = arrivals(
            &[constant(10, 30.0), constant(5, 0.0), constant(10, 0.3)],
            Spacing::Even,
        );
        assert_eq!(between(&arrivals, 0, 10), 300);
        assert_eq!(between(&arrivals, 10, 15), 0);
        assert_eq!(between(&arrivals, 15, 25), 3);
        assert_eq!(arrivals.len(), 303);
    }

    #[test]
    fn even_arrivals_are_one_period_apart() {
        let arrivals = arrivals(&[constant(2, 250.0)], Spacing::Even);
        for (n, at) in arrivals.iter().enumerate() {
            let nanos = 2_000_000 + 4_000_000 * n as u64;
            assert!(at.abs_diff(Duration::from_nanos(nanos)) <= Duration::from_nanos(1));
        }
    }

    #[test]
    fn bursts_arrive_at_once_and_keep_the_rate() {
        let of = NonZeroU32::new(20).unwrap();
        let arrivals = arrivals(&[constant(2, 100.0)], Spacing::Bursts { of });
        assert_eq!(arrivals.len(), 200);
        for (n, burst) in (0u64..).zip(arrivals.chunks(20)) {
            let moment = Duration::from_millis(100 + 200 * n);
            assert!(
                burst
                    .iter()
                    .all(|at| at.abs_diff(moment) <= Duration::from_nanos(1))
            );
        }
    }

    #[test]
    fn a_ramp_holds_three_quarters_of_its_requests_in_its_second_half() {
        let ramp = Stretch {
            length: seconds(20),
            shape: Shape::Ramp {
                from: rate(0.0),
                to: rate(100.0),
            },
        };
        let arrivals = arrivals(&[ramp], Spacing::Even);
        assert_eq!(arrivals.len(), 1000);
        assert_eq!(between(&arrivals, 10, 20), 750);
    }

    #[test]
    fn a_step_changes_the_rate_at_once() {
        let step = Stretch {
            length: seconds(4),
            shape: Shape::Step {
                from: rate(10.0),
                to: rate(90.0),
                after: seconds(1),
            },
        };
        let arrivals = arrivals(&[step], Spacing::Even);
        assert_eq!(between(&arrivals, 0, 1), 10);
        assert_eq!(between(&arrivals, 1, 4), 270);
    }

    #[test]
    fn the_peak_is_that_of_a_moment() {
        let schedule = |stretches: &[Stretch]| Schedule {
            stretches: stretches.to_vec(),
            spacing: Spacing::Even,
        };
        let shaped = |length: u64, shape| Stretch {
            length: seconds(length),
            shape,
        };
        let ramp = |length, from, to| {
            let (from, to) = (rate(from), rate(to));
            shaped(length, Shape::Ramp { from, to })
        };
        let of = |schedules: &[Schedule]| peak(schedules);
        assert!(of(&[]).abs() < 1e-9);
        let up = schedule(&[ramp(10, 0.0, 100.0), constant(5, 0.0)]);
        let down = schedule(&[ramp(10, 100.0, 0.0)]);
        assert!((of(std::slice::from_ref(&up)) - 100.0).abs() < 1e-9);
        // They meet half-way, at each moment.
        assert!((of(&[up.clone(), down.clone()]) - 100.0).abs() < 1e-9);
        // A stretch that lasts for no time has no rate, and what one ends with doesn't add to what the next begins with.
        let turns = schedule(&[constant(4, 30.0), constant(0, 999.0), constant(4, 10.0)]);
        let other = schedule(&[constant(4, 10.0), constant(4, 30.0)]);
        assert!((of(&[turns.clone(), other]) - 40.0).abs() < 1e-9);
        assert!((of(&[turns, up.clone()]) - 100.0).abs() < 1e-9);
        // When it ends, at 8 s of a ramp.
        assert!((of(&[schedule(&[constant(8, 30.0)]), up]) - 110.0).abs() < 1e-9);
        let step = Shape::Step {
            from: rate(5.0),
            to: rate(50.0),
            after: seconds(9),
        };
        let late = schedule(&[shaped(10, step)]);
        assert!((of(&[late, down]) - 105.0).abs() < 1e-9);
    }

    #[test]
    fn poisson_gaps_vary_as_much_as_their_mean() {
        let arrivals = arrivals(&[constant(100, 100.0)], Spacing::Poisson { seed: 7 });
        let gaps: Vec<f64> = arrivals
            .windows(2)
            .map(|pair| pair[1].abs_diff(pair[0]).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 100.0 - 1.0).abs() < 0.05, "mean {mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_seed_repeats_its_arrivals() {
        let with = |seed| arrivals(&[constant(5, 50.0)], Spacing::Poisson { seed });
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for no_rate in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(RatePerSecond::try_from(no_rate).is_err());
        }
    }

    fn any_rate() -> impl Strategy<Value = RatePerSecond> {
        prop_oneof![1 => Just(0.0), 4 => 0.0..500.0].prop_map(rate)
    }

    fn any_spacing() -> impl Strategy<Value = Spacing> {
        prop_oneof![
            Just(Spacing::Even),
            any::<u64>().prop_map(|seed| Spacing::Poisson { seed }),
            (1..50_u32).prop_map(|of| Spacing::Bursts {
                of: of.try_into().unwrap()
            }),
        ]
    }

    fn any_stretch() -> impl Strategy<Value = Stretch> {
        let length = (0u64..5_000).prop_map(Duration::from_millis);
        let shape = prop_oneof![
            any_rate().prop_map(Shape::Constant),
            (any_rate(), any_rate()).prop_map(|(from, to)| Shape::Ramp { from, to }),
            (any_rate(), any_rate(), 0u64..5_000).prop_map(|(from, to, after)| Shape::Step {
                from,
                to,
                after: Duration::from_millis(after),
            }),
        ];
        (length, shape).prop_map(|(length, shape)| Stretch { length, shape })
    }

    proptest! {
        #[test]
        fn arrivals_are_in_order_and_inside(
            stretches in proptest::collection::vec(any_stretch(), 0..6),
            spacing in any_spacing(),
        ) {
            let arrivals = arrivals(&stretches, spacing);
            prop_assert_eq!(&arrivals, &all_at_once(&stretches, spacing));
            prop_assert!(arrivals.is_sorted());
            let end: Duration = stretches.iter().map(|stretch| stretch.length).sum();
            prop_assert!(arrivals.iter().all(|at| *at < end));
        }

        #[test]
        fn even_counts_follow_the_area(stretches in proptest::collection::vec(any_stretch(), 0..6)) {
            let arrivals = arrivals(&stretches, Spacing::Even);
            let (mut end, mut expected) = (Duration::ZERO, 0.0);
            for line in stretches.iter().flat_map(Stretch::lines) {
                end += line.length;
                expected += line.area();
                let seen = arrivals.iter().filter(|at| **at < end).count() as f64;
                prop_assert!((seen - expected).abs() <= 0.5 + 1e-6, "{seen} of {expected}");
            }
        }
    }
}
