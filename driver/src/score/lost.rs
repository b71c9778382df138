//! Checks that are lost for good: whatever the rest of a run brings, they fail. Pure.
//!
//! At any moment a measure has two bounds, the least and the most that it can still come to. The arrivals of a plan are
//! known before it begins, so that even a perfect rest can mend only so much. Where the bounds lie beyond the limit, the
//! check is lost. Some measures have no such bounds before the end: of a mean of what is observed, or of what the books
//! will say, the rest may make anything. Nor have shares where clients ask again, since nobody knows how often.

use std::{collections::BTreeMap, time::Duration};

use lab_load::{Cell, CellsPart, Plan, schedule::Schedule};

use super::{
    keys::Keys,
    measure::{is_well, unserved, window, window_end},
};
use crate::scenario::{
    Check, Class, Latency, Limit, Measure, Quantity, Recovery, Reference, Requests, Scenario,
    Setting, Settings,
};

/// Watches the requests of a run.
#[derive(Debug)]
pub struct Watch<'a> {
    checks: Vec<(&'a Check, Tally)>,
}

/// A check that can't hold any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The check.
    pub id: String,
    /// What can't be mended, as a sentence.
    pub why: String,
}

/// The ids of the checks of a scenario that can be watched.
pub fn watchable(scenario: &Scenario) -> Vec<&str> {
    // What the manifests set does not change in a run, whatever it is.
    let settings = [
        Setting::MaxReplicas,
        Setting::SetPoint,
        Setting::GracePeriod,
    ]
    .map(|setting| (setting, 1.0));
    let watch = Watch::of(scenario, &[], &settings.into());
    let ids = watch.checks.iter().map(|(check, _)| check.id.as_str());
    ids.collect()
}

impl<'a> Watch<'a> {
    /// Nothing seen yet of a run of `plan`.
    pub fn new(scenario: &'a Scenario, plan: &Plan, settings: &Settings) -> Self {
        let schedules = plan.classes.iter().map(|class| &class.schedule);
        Self::of(scenario, &schedules.collect::<Vec<_>>(), settings)
    }

    fn of(scenario: &'a Scenario, schedules: &[&Schedule], settings: &Settings) -> Self {
        let plan = Planned {
            scenario,
            schedules,
            settings,
        };
        let tallied = |check: &'a Check| Some((check, plan.tally(check.measure.get_ref())?));
        Self {
            checks: scenario.checks.iter().filter_map(tallied).collect(),
        }
    }

    /// Takes in what became of requests that have ended since. Whatever is judged ends where a cell ends.
    pub fn add(&mut self, part: &CellsPart) {
        for (_, tally) in &mut self.checks {
            tally.add(part);
        }
    }

    /// The checks that are lost.
    pub fn lost(&self) -> Vec<Lost> {
        let lost = |(check, tally): &(&Check, Tally)| {
            Some(Lost {
                id: check.id.clone(),
                why: beyond(check, tally.bounds())?,
            })
        };
        self.checks.iter().filter_map(lost).collect()
    }
}

/// Why a check can't hold, where all that its measure can come to is beyond the limit.
fn beyond(check: &Check, bounds: Bounds) -> Option<String> {
    let limit = check.limit.quantity().value;
    let (too_little, too_much) = match check.limit {
        Limit::AtLeast(_) => (bounds.most < limit, false),
        Limit::AtMost(_) => (false, bounds.least > limit),
        Limit::Exactly(_) => {
            let all_below = bounds.most < limit && !check.limit.holds(bounds.most);
            let all_above = bounds.least > limit && !check.limit.holds(bounds.least);
            (all_below, all_above)
        }
    };
    let said = |words: &str, value: f64| {
        let dimension = check.measure.get_ref().dimension();
        let value = Quantity { value, dimension };
        format!(
            "“{}” is {words} {value}, limit {}",
            check.title, check.limit
        )
    };
    // To a tenth of a percent, and never across the limit.
    if too_little {
        Some(said("at most", (bounds.most * 1e3).floor() / 1e3))
    } else if too_much {
        Some(said("at least", (bounds.least * 1e3).ceil() / 1e3))
    } else {
        None
    }
}

/// What a measure can still come to, in the base unit of its dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    least: f64,
    most: f64,
}

impl Bounds {
    fn at_least(least: f64) -> Self {
        Self {
            least,
            most: f64::INFINITY,
        }
    }
}

/// A measure as far as it has been seen.
#[derive(Debug)]
enum Tally {
    Share(Counted),
    Count(Counted),
    Distinct(Counted, Keys),
    Slowest(Slowest),
    Recovery(Windows),
    Fixed(f64),
    Ratio(Box<(Tally, Tally)>),
    Difference(Box<Tally>, Vec<Tally>),
}

/// Requests that a measure is of.
#[derive(Debug)]
struct Of {
    class: usize,
    /// From, to.
    spans: Vec<(Duration, Duration)>,
}

/// Requests by whether they count; the others don't.
#[derive(Debug)]
struct Counted {
    of: Of,
    count: Count,
    /// By the plan; none where clients ask again beside it.
    planned: Option<u64>,
    counting: u64,
    others: u64,
}

/// Which requests count.
#[derive(Clone, Copy, Debug)]
enum Count {
    /// Answered as wished, within the objective of their class.
    Good,
    /// Answered as wished.
    Ok,
    /// Neither answered as wished nor rightly refused.
    Failed,
}

/// The largest latencies, of all together or of each second: as many as it takes to know of the percentile, and no
/// nearer than a histogram keeps them.
#[derive(Debug)]
struct Slowest {
    of: Of,
    by_second: bool,
    groups: BTreeMap<u64, Top>,
}

/// The largest values, so many of them.
#[derive(Debug)]
struct Top {
    most: u64,
    /// How many there are, so many or a few more that are no larger than the least of these.
    kept: u64,
    /// With how often each came.
    values: BTreeMap<Duration, u64>,
}

/// Windows after a fault: how many requests of each are planned, and how many were not good.
#[derive(Debug)]
struct Windows {
    of: Of,
    from: Duration,
    seen: BTreeMap<u64, (u64, u64)>,
}

/// What is known before a run begins.
struct Planned<'a> {
    scenario: &'a Scenario,
    /// By class.
    schedules: &'a [&'a Schedule],
    settings: &'a Settings,
}

impl Planned<'_> {
    /// Nothing seen yet of a measure; none where it has no bounds before the end.
    fn tally(&self, measure: &Measure) -> Option<Tally> {
        Some(match measure {
            Measure::GoodShare(requests) => {
                Tally::Share(self.counted(requests, Count::Good)?.if_planned()?)
            }
            Measure::OkShare(requests) => {
                Tally::Share(self.counted(requests, Count::Ok)?.if_planned()?)
            }
            Measure::OkCount(requests) => Tally::Count(self.counted(requests, Count::Ok)?),
            Measure::FailedCount(requests) => Tally::Count(self.counted(requests, Count::Failed)?),
            Measure::DistinctOk(requests) => {
                Tally::Distinct(self.counted(requests, Count::Ok)?, Keys::default())
            }
            Measure::Latency(latency) => Tally::Slowest(self.slowest(latency)?),
            Measure::Recovery(recovery) => Tally::Recovery(self.windows(recovery)?),
            Measure::Manifest(setting) => Tally::Fixed(*self.settings.get(setting)?),
            Measure::Value(number) => Tally::Fixed(*number),
            Measure::Ratio(pair) => {
                Tally::Ratio(Box::new((self.tally(&pair.of)?, self.tally(&pair.over)?)))
            }
            Measure::Difference(balance) => {
                let minus = balance.minus.iter().map(|part| self.tally(part));
                Tally::Difference(
                    Box::new(self.tally(&balance.of)?),
                    minus.collect::<Option<_>>()?,
                )
            }
            Measure::SettledShare(_)
            | Measure::WrongReceipts(_)
            | Measure::UnaskedReceipts(_)
            | Measure::Undone(_)
            | Measure::WrongReplays(_)
            | Measure::Ledger(_)
            | Measure::Series(_) => return None,
        })
    }

    fn class(&self, name: &Reference) -> Option<(usize, &Class)> {
        let mut classes = self.scenario.classes.iter().enumerate();
        classes.find(|(_, class)| class.name == *name.get_ref())
    }

    fn of(&self, class: &Reference, phases: &[Reference]) -> Option<Of> {
        let (index, _) = self.class(class)?;
        let named = |name: &str| phases.iter().any(|phase| phase.get_ref() == name);
        let spans = self.scenario.spans();
        let spans = spans.filter(|(phase, ..)| named(&phase.name));
        let mut spans: Vec<_> = spans.map(|(_, from, to)| (from, to)).collect();
        if phases.is_empty() {
            spans.push((Duration::ZERO, Duration::MAX));
        }
        Some(Of {
            class: index,
            spans,
        })
    }

    /// When the requests that a measure is of are due; none where clients ask again beside the plan.
    fn due<'a>(&'a self, of: &'a Of) -> Option<impl Iterator<Item = Duration> + 'a> {
        if self.scenario.classes[of.class].again.is_some() {
            return None;
        }
        let schedule = self.schedules.get(of.class).into_iter();
        let due = schedule.flat_map(|schedule| schedule.arrivals());
        Some(due.filter(|at| of.contains(*at)))
    }

    fn counted(&self, requests: &Requests, count: Count) -> Option<Counted> {
        let of = self.of(&requests.class, &requests.phases)?;
        let planned = self.due(&of).map(|due| due.count() as u64);
        Some(Counted {
            of,
            count,
            planned,
            counting: 0,
            others: 0,
        })
    }

    fn slowest(&self, latency: &Latency) -> Option<Slowest> {
        let of = self.of(&latency.class, &latency.phases)?;
        let mut planned: BTreeMap<u64, u64> = BTreeMap::new();
        for at in self.due(&of)? {
            *planned.entry(second(at, latency.peak)).or_default() += 1;
        }
        let top = |(group, planned): (u64, u64)| {
            // The percentile is the value of this rank, or of a smaller one where some are refused as is right.
            let rank = (planned * latency.percentile).div_ceil(100).max(1);
            (group, Top::of(planned - rank + 1))
        };
        Some(Slowest {
            by_second: latency.peak,
            groups: planned.into_iter().map(top).collect(),
            of,
        })
    }

    fn windows(&self, recovery: &Recovery) -> Option<Windows> {
        let mut spans = self.scenario.spans();
        let (.., from) = spans.find(|(phase, ..)| phase.name == *recovery.after.get_ref())?;
        let of = Of {
            spans: vec![(from, Duration::MAX)],
            ..self.of(&recovery.class, &[])?
        };
        let mut windows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for at in self.due(&of)? {
            windows.entry(window(at, from)).or_default().0 += 1;
        }
        Some(Windows {
            of,
            from,
            seen: windows,
        })
    }
}

fn second(at: Duration, by_second: bool) -> u64 {
    if by_second { at.as_secs() } else { 0 }
}

impl Of {
    fn contains(&self, at: Duration) -> bool {
        self.spans
            .iter()
            .any(|(from, to)| (*from..*to).contains(&at))
    }

    /// The cells of these requests, by their starts.
    fn cells<'a>(&'a self, part: &'a CellsPart) -> impl Iterator<Item = (Duration, &'a Cell)> {
        let cells = part.of(self.class);
        cells.filter(|(start, _)| self.contains(*start))
    }
}

impl Tally {
    fn add(&mut self, part: &CellsPart) {
        match self {
            Self::Share(counted) | Self::Count(counted) => counted.add(part),
            Self::Distinct(counted, keys) => {
                counted.add(part);
                let answered = counted.of.cells(part).flat_map(|(_, cell)| cell.answered());
                answered.for_each(|(key, times)| keys.add(key, times));
            }
            Self::Slowest(slowest) => slowest.add(part),
            Self::Recovery(windows) => windows.add(part),
            Self::Fixed(_) => {}
            Self::Ratio(pair) => {
                pair.0.add(part);
                pair.1.add(part);
            }
            Self::Difference(of, minus) => {
                of.add(part);
                for tally in minus {
                    tally.add(part);
                }
            }
        }
    }

    fn bounds(&self) -> Bounds {
        match self {
            Self::Share(counted) => {
                let Bounds { least, most } = counted.bounds();
                let all = counted.planned.unwrap_or_default().max(1) as f64;
                Bounds {
                    least: least / all,
                    most: most / all,
                }
            }
            Self::Count(counted) => counted.bounds(),
            Self::Distinct(counted, keys) => Bounds {
                least: keys.len() as f64,
                most: counted.bounds().most,
            },
            Self::Slowest(slowest) => Bounds::at_least(slowest.least()),
            Self::Recovery(windows) => Bounds::at_least(windows.least()),
            Self::Fixed(value) => Bounds {
                least: *value,
                most: *value,
            },
            // None of them is below 0. What is divided by 0 has no value, and fails.
            Self::Ratio(pair) => {
                let (of, over) = (pair.0.bounds(), pair.1.bounds());
                Bounds {
                    least: of.least / over.most,
                    most: of.most / over.least,
                }
            }
            Self::Difference(of, minus) => {
                let minus: Vec<Bounds> = minus.iter().map(Self::bounds).collect();
                let sum = |of: fn(&Bounds) -> f64| minus.iter().map(of).sum::<f64>();
                Bounds {
                    least: of.bounds().least - sum(|part| part.most),
                    most: of.bounds().most - sum(|part| part.least),
                }
            }
        }
    }
}

impl Counted {
    /// Where nobody asks again, so that the plan has them all.
    fn if_planned(self) -> Option<Self> {
        self.planned.is_some().then_some(self)
    }

    fn add(&mut self, part: &CellsPart) {
        for (_, cell) in self.of.cells(part) {
            let counting = match self.count {
                Count::Good => cell.good,
                Count::Ok => cell.due.ok,
                Count::Failed => unserved(&cell.due),
            };
            self.counting += counting;
            self.others += cell.due.offered - counting;
        }
    }

    fn bounds(&self) -> Bounds {
        let most = self
            .planned
            .map(|planned| planned.saturating_sub(self.others));
        Bounds {
            least: self.counting as f64,
            most: most.map_or(f64::INFINITY, |most| most as f64),
        }
    }
}

impl Slowest {
    fn add(&mut self, part: &CellsPart) {
        for (start, cell) in self.of.cells(part) {
            if let Some(top) = self.groups.get_mut(&second(start, self.by_second)) {
                cell.latencies()
                    .for_each(|(time, times)| top.add(time, times));
            }
        }
    }

    /// Milliseconds. So many are at least that slow that the percentile is one of them.
    fn least(&self) -> f64 {
        let least = self.groups.values().filter_map(Top::least).max();
        least.map_or(0.0, |least| least.as_micros() as f64 / 1e3)
    }
}

impl Top {
    fn of(most: u64) -> Self {
        Self {
            most,
            kept: 0,
            values: BTreeMap::new(),
        }
    }

    fn add(&mut self, value: Duration, times: u64) {
        self.kept += times;
        *self.values.entry(value).or_default() += times;
        while let Some(smallest) = self.values.first_entry()
            && self.kept - smallest.get() >= self.most
        {
            self.kept -= smallest.remove();
        }
    }

    /// The least of so many; none where there are fewer yet.
    fn least(&self) -> Option<Duration> {
        let (least, _) = self.values.first_key_value()?;
        (self.kept >= self.most).then_some(*least)
    }
}

impl Windows {
    fn add(&mut self, part: &CellsPart) {
        for (start, cell) in self.of.cells(part) {
            let seen = self.seen.entry(window(start, self.from));
            seen.or_default().1 += cell.due.offered - cell.good;
        }
    }

    /// Milliseconds to the end of the last window that can't be good enough any more.
    fn least(&self) -> f64 {
        let mut windows = self.seen.iter().rev();
        let last =
            windows.find(|(_, (planned, bad))| !is_well(planned.saturating_sub(*bad), *planned));
        last.map_or(0.0, |(index, _)| window_end(*index))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use lab_load::{Cause, End, Sample};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        books::Books,
        score::{
            self,
            tests::{cells, plan},
        },
    };

    const SCENARIO: &str = r#"
name = "test"
title = "A test"
summary = "Two phases, one class."
headline = "ok"

[[phases]]
name = "fault"
duration = "3s"

[[phases]]
name = "after"
duration = "3s"

[[classes]]
name = "user"
service = "api"
request = "POST /"
rate = "10/s"
timeout = "5s"
slo = "500ms"
expected = [429]
repeat = { every = 5, lag = 3 }

[[checks]]
id = "ok"
kind = "effect"
title = "Answers"
why = "-"
measure = { ok_share = { class = "user" } }
limit = { at_least = "90%" }
"#;

    /// The scenario with these measures and limits as its checks.
    fn scenario(checks: &[(&str, &str)]) -> Scenario {
        let mut text = SCENARIO.to_owned();
        for (n, (measure, limit)) in checks.iter().enumerate() {
            let _ = write!(
                text,
                "\n[[checks]]\nid = \"c{n}\"\nkind = \"effect\"\ntitle = \"c{n}\"\nwhy = \"-\"\n\
                 measure = {{ {measure} }}\nlimit = {{ {limit} }}\n"
            );
        }
        Scenario::parse("test.toml", &text).unwrap_or_else(|error| panic!("{error}"))
    }

    fn sample(n: usize, latency: u64, end: End) -> Sample {
        // The middle of each tenth of a second, as its class has them.
        let intended = Duration::from_millis(50 + 100 * n as u64);
        Sample {
            intended,
            written: Some(intended),
            first_byte: None,
            done: intended + Duration::from_millis(latency),
            key: if n % 5 == 4 { n - 3 } else { n } as u64,
            class: 0,
            end,
            attempt: 0,
        }
    }

    fn watch_with<'a>(scenario: &'a Scenario, settings: &Settings) -> Watch<'a> {
        Watch::new(scenario, &plan(scenario), settings)
    }

    fn watch(scenario: &Scenario) -> Watch<'_> {
        watch_with(scenario, &Settings::new())
    }

    /// What became of a request.
    fn part(scenario: &Scenario, sample: Sample) -> CellsPart {
        cells(scenario, &[sample]).take()
    }

    fn judged(scenario: &Scenario, samples: &[Sample]) -> Vec<lab_record::Check> {
        score::checks(&score::Measured {
            scenario,
            cells: &cells(scenario, samples),
            series: &[],
            looks: &[],
            books: &Books::default(),
            settings: &Settings::new(),
            disturbed: &[],
        })
    }

    #[test]
    fn a_share_is_lost_with_the_request_that_no_rest_can_make_good() {
        let scenario = scenario(&[]);
        let mut watch = watch(&scenario);
        // 10 % of 60 are 6.
        for n in 0..6 {
            watch.add(&part(&scenario, sample(n, 1, End::Broken(Cause::Refused))));
            assert_eq!(watch.lost(), []);
        }
        watch.add(&part(&scenario, sample(6, 1, End::Answered(500))));
        let lost = watch.lost();
        assert_eq!(lost[0].id, "ok");
        assert_eq!(lost[0].why, "“Answers” is at most 88.3 %, limit ≥ 90 %");
    }

    #[test]
    fn whoever_got_neither_an_answer_nor_a_refusal_has_failed() {
        let scenario = scenario(&[("failed_count = { class = \"user\" }", "exactly = \"0\"")]);
        for end in [
            End::Answered(500),
            End::Broken(Cause::Refused),
            End::TimedOut,
            End::Dropped,
        ] {
            let mut watch = watch(&scenario);
            let failed = sample(0, 5000, end);
            watch.add(&part(&scenario, failed));
            assert!(
                watch
                    .lost()
                    .iter()
                    .any(|lost| lost.why.contains("limit = 0")),
                "{end:?}"
            );
            let checks = judged(&scenario, &[failed]);
            assert!(
                checks
                    .iter()
                    .any(|check| check.limit == "= 0" && check.seen == "1"),
                "{end:?}"
            );
        }
    }

    #[test]
    fn a_ceiling_is_lost_when_it_is_exceeded() {
        let scenario = scenario(&[("ok_count = { class = \"user\" }", "at_most = \"2\"")]);
        let mut watch = watch(&scenario);
        watch.add(&part(&scenario, sample(0, 1, End::Answered(200))));
        watch.add(&part(&scenario, sample(1, 1, End::Answered(200))));
        assert_eq!(watch.lost(), []);
        watch.add(&part(&scenario, sample(2, 1, End::Answered(200))));
        assert_eq!(watch.lost()[0].why, "“c0” is at least 3, limit ≤ 2");
    }

    #[test]
    fn a_percentile_is_lost_with_as_many_slow_ones_as_it_takes() {
        let scenario = scenario(&[(
            "latency = { class = \"user\", percentile = 90 }",
            "at_most = \"400ms\"",
        )]);
        let mut watch = watch(&scenario);
        let lost = |watch: &Watch| watch.lost().iter().any(|lost| lost.id == "c0");
        // The 90th percentile of 60 is the 54th: 7 are no smaller. Each is slower than the one before.
        for n in 0..6 {
            let slow = sample(3 * n, 401 + 10 * n as u64, End::Answered(200));
            watch.add(&part(&scenario, slow));
            let quick = sample(3 * n + 1, 399, End::Answered(200));
            watch.add(&part(&scenario, quick));
            assert!(!lost(&watch), "{n}");
        }
        watch.add(&part(&scenario, sample(2, 900, End::Answered(200))));
        assert!(lost(&watch));
    }

    #[test]
    fn what_the_manifests_set_is_known_from_the_start() {
        let scenario = scenario(&[("manifest = \"max_replicas\"", "at_least = \"3\"")]);
        let lost = |max_replicas| {
            let settings = Settings::from([(Setting::MaxReplicas, max_replicas)]);
            watch_with(&scenario, &settings).lost().len()
        };
        assert_eq!((lost(2.0), lost(3.0)), (1, 0));
    }

    #[test]
    fn what_the_rest_may_still_change_is_not_watched() {
        for (name, watched) in [
            (
                "timeouts",
                &["bystander_good", "bystander_p95", "quotes_ok", "recovery"][..],
            ),
            ("tx", &[]),
            ("bulkheads", &["fast_p95", "fast_good"]),
            ("autoscale", &["settled_p95", "settled_good", "room"]),
        ] {
            let scenario = crate::scenario::step(name).unwrap();
            assert_eq!(watchable(&scenario), watched, "{name}");
        }
        // How often clients ask again nobody knows.
        let text = SCENARIO.replace(
            "repeat = { every = 5, lag = 3 }",
            "again = { after = \"1s\", times = 3 }",
        );
        let scenario = Scenario::parse("test.toml", &text).unwrap();
        assert_eq!(watchable(&scenario), Vec::<&str>::new());
    }

    /// Measures with limits about as likely to hold as not.
    const CHECKS: [(&str, &str); 12] = [
        (
            "good_share = { class = \"user\", phases = [\"fault\"] }",
            "at_least = \"80%\"",
        ),
        (
            "good_share = { class = \"user\", phases = [\"after\"] }",
            "at_most = \"80%\"",
        ),
        ("ok_share = { class = \"user\" }", "exactly = \"85%\""),
        ("ok_count = { class = \"user\" }", "at_least = \"50\""),
        ("distinct_ok = { class = \"user\" }", "at_most = \"40\""),
        ("distinct_ok = { class = \"user\" }", "at_least = \"42\""),
        (
            "latency = { class = \"user\", percentile = 90 }",
            "at_most = \"400ms\"",
        ),
        (
            "latency = { class = \"user\", percentile = 50, peak = true }",
            "at_most = \"300ms\"",
        ),
        (
            "recovery = { class = \"user\", after = \"fault\" }",
            "at_most = \"1s\"",
        ),
        (
            "ratio = { of = { ok_count = { class = \"user\", phases = [\"fault\"] } }, over = { ok_count = { class = \"user\", phases = [\"after\"] } } }",
            "at_most = \"1\"",
        ),
        (
            "difference = { of = { ok_count = { class = \"user\" } }, minus = [{ distinct_ok = { class = \"user\" } }] }",
            "exactly = \"8\"",
        ),
        (
            "ratio = { of = { distinct_ok = { class = \"user\" } }, over = { value = 50 } }",
            "at_least = \"0.8\"",
        ),
    ];

    fn ends() -> impl Strategy<Value = Vec<(u64, End)>> {
        let end = prop_oneof![
            8 => (0..600u64).prop_map(|ms| (ms, End::Answered(200))),
            1 => (0..600u64).prop_map(|ms| (ms, End::Answered(429))),
            1 => (0..600u64).prop_map(|ms| (ms, End::Answered(500))),
            1 => Just((5000, End::TimedOut)),
            1 => Just((0, End::Dropped)),
            1 => (0..600u64).prop_map(|ms| (ms, End::Broken(Cause::Reset))),
        ];
        proptest::collection::vec(end, 60)
    }

    proptest! {
        #[test]
        fn what_is_lost_fails_in_the_end_and_where_the_run_is_ended(ends in ends()) {
            let scenario = scenario(&CHECKS);
            prop_assert_eq!(watchable(&scenario).len(), scenario.checks.len());
            let samples: Vec<Sample> = ends
                .iter()
                .enumerate()
                .map(|(n, (latency, end))| sample(n, *latency, *end))
                .collect();
            let whole = judged(&scenario, &samples);
            let mut by_end: Vec<usize> = (0..samples.len()).collect();
            by_end.sort_by_key(|n| samples[*n].done);
            let mut watch = watch(&scenario);
            let mut known = 0;
            let mut cells = cells(&scenario, &[]);
            for (seen, n) in by_end.iter().enumerate() {
                cells.add(&samples[*n]);
                watch.add(&cells.take());
                let lost = watch.lost();
                prop_assert!(lost.len() >= known, "what is lost stays lost");
                if lost.len() == known {
                    continue;
                }
                known = lost.len();
                // Ended here, the others are unfinished or were never due.
                let now = samples[*n].done;
                let ended: Vec<Sample> = (0..samples.len())
                    .filter(|other| samples[*other].intended <= now)
                    .map(|other| {
                        if by_end[..=seen].contains(&other) {
                            samples[other]
                        } else {
                            Sample { done: now, end: End::Unfinished, ..samples[other] }
                        }
                    })
                    .collect();
                let ended = judged(&scenario, &ended);
                for lost in lost {
                    for checks in [&whole, &ended] {
                        let check = checks.iter().find(|check| check.id == lost.id).unwrap();
                        prop_assert!(!check.passed, "{}: {} ({})", lost.why, check.seen, check.limit);
                    }
                }
            }
        }
    }
}
