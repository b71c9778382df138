//! The same measures from single samples, as they would be were all of them kept: what the cells say is no other.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

use lab_load::{
    End, Sample,
    summary::{Distribution, Fate, observed},
};
use proptest::prelude::*;

use super::{
    Measured,
    measure::{self, Value},
    tests::cells,
};
use crate::{
    books::{AtOnce, Books, Told},
    pauses::{self, Stretch},
    scenario::{Class, Measure, Reference, Requests, Scenario, Settings},
};

const SCENARIO: &str = r#"
name = "test"
title = "A test"
summary = "Three phases that end anywhere, two classes."
headline = "good"

[[phases]]
name = "before"
duration = "BEFOREms"

[[phases]]
name = "fault"
duration = "FAULTms"

[[phases]]
name = "after"
duration = "3s"

[[classes]]
name = "other"
service = "api"
request = "GET /other"
rate = "10/s"
timeout = "1s"
slo = "100ms"

[[classes]]
name = "user"
service = "api"
request = "GET /"
rate = "10/s"
timeout = "2s"
slo = "300ms"
expected = [504]
receipts = true
"#;

const MEASURES: [(&str, &str); 13] = [
    (
        "good",
        r#"{ good_share = { class = "user", phases = ["fault"] } }"#,
    ),
    ("well", r#"{ good_share = { class = "other" } }"#),
    (
        "ok",
        r#"{ ok_share = { class = "user", phases = ["before", "after"] } }"#,
    ),
    ("oks", r#"{ ok_count = { class = "user" } }"#),
    (
        "fault-oks",
        r#"{ ok_count = { class = "user", phases = ["fault"] } }"#,
    ),
    (
        "keys",
        r#"{ distinct_ok = { class = "user", phases = ["fault"] } }"#,
    ),
    (
        "settled",
        r#"{ settled_share = { class = "user", phases = ["before", "fault"] } }"#,
    ),
    (
        "replays",
        r#"{ wrong_replays = { class = "user", phases = ["fault", "after"] } }"#,
    ),
    (
        "p50",
        r#"{ latency = { class = "user", percentile = 50 } }"#,
    ),
    (
        "p95",
        r#"{ latency = { class = "user", percentile = 95, phases = ["fault", "before"] } }"#,
    ),
    (
        "peak",
        r#"{ latency = { class = "user", percentile = 90, peak = true } }"#,
    ),
    (
        "recovery",
        r#"{ recovery = { class = "user", after = "fault" } }"#,
    ),
    (
        "start",
        r#"{ recovery = { class = "other", after = "before" } }"#,
    ),
];

fn scenario(before: u64, fault: u64) -> Scenario {
    let mut text = SCENARIO
        .replace("BEFORE", &before.to_string())
        .replace("FAULT", &fault.to_string());
    for (id, measure) in MEASURES {
        let limit = match measure {
            of if of.contains("share") => "50%",
            of if of.contains("latency") || of.contains("recovery") => "50ms",
            _ => "5",
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[checks]]\nid = \"{id}\"\nkind = \"effect\"\ntitle = \"{id}\"\nwhy = \"-\"\n\
             measure = {measure}\nlimit = {{ at_least = \"{limit}\" }}\n"
        );
    }
    Scenario::parse("test.toml", &text).unwrap()
}

/// What the measures are of: samples in order of their intended send.
struct Kept<'a> {
    measured: Measured<'a>,
    samples: &'a [Sample],
}

impl<'a> Kept<'a> {
    fn class(&self, name: &Reference) -> (usize, &'a Class) {
        let mut classes = self.measured.scenario.classes.iter().enumerate();
        classes
            .find(|(_, class)| class.name == *name.get_ref())
            .unwrap()
    }

    fn requests(&self, requests: &Requests) -> Vec<&'a Sample> {
        let (index, class) = self.class(&requests.class);
        let stretches = self.measured.stretches(&requests.phases, class.slo);
        let samples = self.samples.iter();
        samples
            .filter(|sample| {
                usize::from(sample.class) == index
                    && stretches
                        .iter()
                        .any(|stretch| stretch.contains(sample.intended))
            })
            .collect()
    }

    fn is_ok(&self, requests: &Requests, sample: &Sample) -> bool {
        let (_, class) = self.class(&requests.class);
        class.expectation().fate(sample.end) == Fate::Ok
    }

    fn is_good(&self, requests: &Requests, sample: &Sample) -> bool {
        let (_, class) = self.class(&requests.class);
        self.is_ok(requests, sample) && sample.latency() <= class.slo
    }

    fn value(&self, measure: &Measure) -> Option<Value> {
        match measure {
            Measure::GoodShare(of) => self.share(of, Self::is_good),
            Measure::OkShare(of) => self.share(of, Self::is_ok),
            Measure::OkCount(of) => {
                let ok = self.requests(of);
                let ok = ok.iter().filter(|sample| self.is_ok(of, sample)).count();
                Some(Value::exact(ok as f64 * self.scale(of)))
            }
            Measure::DistinctOk(of) => {
                let keys = self.keys_of_ok(of, &self.measured);
                Some(Value::exact(keys.len() as f64 * self.scale(of)))
            }
            Measure::SettledShare(of) => {
                let asked: HashSet<u64> = self.requests(of).iter().map(|of| of.key).collect();
                let always = Requests {
                    class: of.class.clone(),
                    phases: Vec::new(),
                };
                let whole = Measured {
                    disturbed: &[],
                    ..self.measured
                };
                let settled = self.keys_of_ok(&always, &whole);
                let share = asked.intersection(&settled).count() as f64 / asked.len() as f64;
                share.is_finite().then(|| Value::exact(share))
            }
            Measure::WrongReplays(of) => Some(Value::exact(self.wrong_replays(of) as f64)),
            Measure::Latency(of) => {
                let requests = Requests {
                    class: of.class.clone(),
                    phases: of.phases.clone(),
                };
                let samples = self.requests(&requests);
                let percentile =
                    |samples: &[&Sample]| self.percentile(&requests, of.percentile, samples);
                if of.peak {
                    let seconds =
                        samples.chunk_by(|a, b| a.intended.as_secs() == b.intended.as_secs());
                    seconds
                        .filter_map(percentile)
                        .max_by(|a, b| a.value.total_cmp(&b.value))
                } else {
                    percentile(&samples)
                }
            }
            Measure::Recovery(of) => self.recovery(&of.class, &of.after),
            _ => panic!("{measure:?} is of no request"),
        }
    }

    fn share(&self, of: &Requests, counts: fn(&Self, &Requests, &Sample) -> bool) -> Option<Value> {
        let samples = self.requests(of);
        let counted = samples
            .iter()
            .filter(|sample| counts(self, of, sample))
            .count();
        (!samples.is_empty()).then(|| Value::exact(counted as f64 / samples.len() as f64))
    }

    fn keys_of_ok(&self, of: &Requests, measured: &Measured<'a>) -> HashSet<u64> {
        let kept = Kept {
            measured: *measured,
            samples: self.samples,
        };
        let samples = kept.requests(of).into_iter();
        samples
            .filter(|sample| self.is_ok(of, sample))
            .map(|sample| sample.key)
            .collect()
    }

    fn wrong_replays(&self, of: &Requests) -> usize {
        let mut asked: HashMap<u64, usize> = HashMap::new();
        for sample in self.requests(of) {
            *asked.entry(sample.key).or_default() += 1;
        }
        let mut paid: HashMap<u64, usize> = HashMap::new();
        let mut wrong = HashSet::new();
        for told in self.measured.books.told_to(of.class.get_ref()) {
            match told.replayed {
                Some(false) => *paid.entry(told.number).or_default() += 1,
                Some(true) if asked.get(&told.number) != Some(&1) => {}
                Some(true) | None => drop(wrong.insert(told.number)),
            }
        }
        wrong.extend(
            paid.iter()
                .filter(|(_, times)| **times > 1)
                .map(|(key, _)| *key),
        );
        wrong.len()
    }

    fn percentile(&self, of: &Requests, percent: u64, samples: &[&Sample]) -> Option<Value> {
        let (_, class) = self.class(&of.class);
        let times = samples.iter().filter_map(|sample| {
            let fate = class.expectation().fate(sample.end);
            observed(sample.latency(), fate, class.timeout)
        });
        let quantile = times.collect::<Distribution>().percentile(percent)?;
        Some(Value {
            value: quantile.ms,
            censored: quantile.censored,
        })
    }

    fn recovery(&self, class: &Reference, after: &Reference) -> Option<Value> {
        let mut spans = self.measured.scenario.spans();
        let (_, _, end) = spans.find(|(phase, ..)| phase.name == *after.get_ref())?;
        let all = Requests {
            class: class.clone(),
            phases: Vec::new(),
        };
        let mut after = self.requests(&all);
        after.retain(|sample| sample.intended >= end);
        let window = |sample: &Sample| sample.intended.saturating_sub(end).as_millis() / 500;
        let windows: Vec<(u128, bool)> = after
            .chunk_by(|a, b| window(a) == window(b))
            .map(|samples| {
                let good = samples.iter().filter(|sample| self.is_good(&all, sample));
                let good = good.count() as f64 >= 0.75 * samples.len() as f64;
                (window(samples[0]), good)
            })
            .collect();
        let (last, _) = windows.last()?;
        let bad = windows.iter().rev().find(|(_, good)| !good);
        Some(bad.map_or(Value::exact(0.0), |(index, _)| Value {
            value: (index + 1) as f64 * 500.0,
            censored: index == last,
        }))
    }

    /// By what a count of what is left is multiplied.
    fn scale(&self, of: &Requests) -> f64 {
        let (_, class) = self.class(&of.class);
        let spans = if of.phases.is_empty() {
            vec![(Duration::ZERO, self.measured.scenario.duration())]
        } else {
            self.measured.spans(&of.phases)
        };
        let spans = spans.into_iter().map(|(from, to)| Stretch { from, to });
        let spans: Vec<Stretch> = spans.collect();
        let left = pauses::apart(&spans, self.measured.disturbed, class.slo);
        let time = |of: &[Stretch]| of.iter().map(Stretch::length).sum::<Duration>();
        if time(&left).is_zero() {
            1.0
        } else {
            time(&spans).div_duration_f64(time(&left))
        }
    }
}

fn any_sample(length: u64) -> impl Strategy<Value = Sample> {
    let end = prop_oneof![
        6 => Just(End::Answered(200)),
        1 => Just(End::Answered(504)),
        1 => Just(End::Answered(500)),
        1 => Just(End::TimedOut),
        1 => Just(End::Dropped),
    ];
    let took = prop_oneof![0u64..400_000_000, 0u64..3_000_000_000];
    (0..length * 1_000_000, took, end, 0u16..2, 0u64..90).prop_map(
        |(intended, took, end, class, key)| Sample {
            intended: Duration::from_nanos(intended),
            written: (end != End::Dropped).then(|| Duration::from_nanos(intended)),
            first_byte: None,
            done: Duration::from_nanos(intended + took),
            key,
            class,
            end,
            attempt: 0,
        },
    )
}

fn told((number, replayed): (u64, Option<bool>)) -> Told {
    Told {
        class: "user".to_owned(),
        key: format!("run-user-{number}"),
        number,
        at: Duration::ZERO,
        receipt: Some(5),
        replayed,
        at_once: AtOnce::Recorded,
    }
}

/// A stretch of whole tenths of seconds.
fn any_stretch() -> impl Strategy<Value = Stretch> {
    (0u64..80, 1u64..30).prop_map(|(from, length)| Stretch {
        from: Duration::from_millis(100 * from),
        to: Duration::from_millis(100 * (from + length)),
    })
}

/// Lengths of the first two phases in ms, what was measured, and what is left out of it. Where phases end anywhere,
/// nothing is.
fn any_run() -> impl Strategy<Value = (u64, u64, Vec<Sample>, Vec<Stretch>)> {
    let anywhere = (1u64..3_000, 1u64..3_000, Just(Vec::new()));
    let disturbed = proptest::collection::vec(any_stretch(), 0..3);
    let in_steps = (1u64..30, 1u64..30, disturbed)
        .prop_map(|(before, fault, disturbed)| (before * 100, fault * 100, disturbed));
    prop_oneof![anywhere.boxed(), in_steps.boxed()].prop_flat_map(|(before, fault, disturbed)| {
        let samples = proptest::collection::vec(any_sample(before + fault + 3_000), 0..250);
        (Just(before), Just(fault), samples, Just(disturbed))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn cells_measure_what_the_samples_measure(
        (before, fault, mut samples, disturbed) in any_run(),
        answers in proptest::collection::vec((0u64..90, any::<Option<bool>>()), 0..40),
    ) {
        let scenario = scenario(before, fault);
        let cells = cells(&scenario, &samples);
        samples.sort_by_key(|sample| sample.intended);
        let books = Books {
            told: answers.into_iter().map(told).collect(),
            ..Books::default()
        };
        let measured = Measured {
            scenario: &scenario,
            cells: &cells,
            series: &[],
            looks: &[],
            books: &books,
            settings: &Settings::new(),
            disturbed: &disturbed,
        };
        let kept = Kept { measured, samples: &samples };
        for check in &scenario.checks {
            let measure = check.measure.get_ref();
            prop_assert_eq!(
                measure::value(measure, &measured),
                kept.value(measure),
                "{} without {:?}", check.id, disturbed
            );
        }
    }
}
