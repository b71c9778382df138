//! A run as an OpenMetrics 1.0 page: all samples have timestamps, so that a time series database takes in what is past.

use std::fmt::Write;

use jiff::Timestamp;
use lab_exposition::{Labels, Sample};
use lab_record::{Finite, PhaseStats, Run};

use super::{ends, quantiles, times};

/// A metric with its samples; those of one set of labels follow each other, in order of time.
struct Family {
    name: &'static str,
    kind: &'static str,
    /// Part of the name, too.
    unit: &'static str,
    /// For people; without backslash, quote and line feed.
    help: &'static str,
    samples: Vec<Sample>,
}

/// The whole page.
pub(super) fn text(run: &Run) -> String {
    let mut text = String::new();
    for family in families(run)
        .iter()
        .filter(|family| !family.samples.is_empty())
    {
        let Family {
            name,
            kind,
            unit,
            help,
            ..
        } = family;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        for sample in &family.samples {
            let _ = writeln!(text, "{sample}");
        }
    }
    text + "# EOF\n"
}

fn families(run: &Run) -> Vec<Family> {
    let page = Page { run };
    let family = |name, kind, help, samples| Family {
        name,
        kind,
        unit: "",
        help,
        samples,
    };
    let seconds = |name, help, samples| Family {
        unit: "seconds",
        ..family(name, "summary", help, samples)
    };
    let [latency, refusal, service_time] = [0, 1, 2].map(|n| page.times(n));
    vec![
        family(
            "lab_run",
            "info",
            "What ran and what came of it.",
            page.info(),
        ),
        family(
            "lab_score",
            "gauge",
            "Points of the run, 0 to 100.",
            page.score(),
        ),
        family(
            "lab_check_passed",
            "gauge",
            "1 where a check holds, else 0.",
            page.checks("lab_check_passed", |check| {
                Some(u32::from(check.passed).into())
            }),
        ),
        family(
            "lab_check_value",
            "gauge",
            "What a check measured: a share from 0 to 1, milliseconds or a plain number.",
            page.checks("lab_check_value", |check| check.value),
        ),
        family(
            "lab_requests",
            "counter",
            "Requests by class, phase of the intended send and end; all of them together were offered.",
            page.requests(),
        ),
        seconds(
            LATENCY[0],
            "From the intended send to the last byte. With at_least=true only that much is known.",
            latency,
        ),
        seconds(
            LATENCY[1],
            "From the intended send to a refusal as is right.",
            refusal,
        ),
        seconds(
            LATENCY[2],
            "From the actual send to the last byte.",
            service_time,
        ),
        family(
            "lab_series",
            "gauge",
            "What was seen over time, by series.",
            page.series(),
        ),
    ]
}

/// Names of the times, as [`times`] has them.
const LATENCY: [&str; 3] = [
    "lab_latency_seconds",
    "lab_refusal_seconds",
    "lab_service_time_seconds",
];

struct Page<'a> {
    run: &'a Run,
}

impl Page<'_> {
    /// A sample of the run so many seconds after its start.
    fn sample(&self, name: &str, labels: &[(&str, &str)], value: f64, after_s: f64) -> Sample {
        let all = [&[("run_id", self.run.run_id.as_str())], labels].concat();
        let there = all.into_iter().filter(|(_, value)| !value.is_empty());
        let labels: Labels = there
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Sample {
            name: name.to_owned(),
            labels,
            value,
            timestamp: Some(seconds(self.run.started_at) + after_s),
        }
    }

    /// A sample of what is known at the end.
    fn total(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Sample {
        self.sample(name, labels, value, self.run.duration_s)
    }

    fn info(&self) -> Vec<Sample> {
        let run = self.run;
        let labels = [
            ("scenario", run.scenario.name.as_str()),
            ("code", &run.code),
            ("platform", &run.platform),
            ("outcome", run.verdict.outcome.name()),
            ("validity", run.self_check.validity.word()),
        ];
        vec![self.total("lab_run_info", &labels, 1.0)]
    }

    fn score(&self) -> Vec<Sample> {
        let score = self.run.verdict.score.into_iter();
        score
            .map(|score| self.total("lab_score", &[], score.into()))
            .collect()
    }

    fn checks(&self, name: &str, of: fn(&lab_record::Check) -> Option<Finite>) -> Vec<Sample> {
        let checks = self.run.checks.iter();
        let sample = |check: &lab_record::Check| {
            Some(self.total(name, &[("check", &check.id)], of(check)?.get()))
        };
        checks.filter_map(sample).collect()
    }

    /// Of the phases, for their sum is the whole run.
    fn requests(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for class in &self.run.classes {
            for stats in &class.by_phase {
                samples.extend(ends(stats).map(|(end, count)| {
                    let labels = [
                        ("class", class.name.as_str()),
                        ("phase", &stats.phase),
                        ("end", end),
                    ];
                    self.total("lab_requests_total", &labels, count as f64)
                }));
            }
        }
        samples
    }

    /// The nth of the [`times`], of the whole run, phase `all`, and of its phases.
    fn times(&self, n: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        for class in &self.run.classes {
            for stats in [&class.total].into_iter().chain(&class.by_phase) {
                samples.extend(self.summary(n, &class.name, stats));
            }
        }
        samples
    }

    fn summary(&self, n: usize, class: &str, stats: &PhaseStats) -> Vec<Sample> {
        let (_, latency) = times(stats)[n];
        let sample = |(_, share, quantile): (_, &str, Option<lab_record::Quantile>)| {
            let quantile = quantile?;
            let labels = [
                ("class", class),
                ("phase", &stats.phase),
                ("at_least", if quantile.censored { "true" } else { "" }),
                ("quantile", share),
            ];
            Some(self.total(LATENCY[n], &labels, quantile.ms / 1e3))
        };
        quantiles(latency).into_iter().filter_map(sample).collect()
    }

    fn series(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for series in &self.run.series {
            let labels = [("series", series.id.as_str()), ("unit", &series.unit)];
            let sample = |(at, value): &(f64, f64)| self.sample("lab_series", &labels, *value, *at);
            samples.extend(series.points.iter().map(sample));
        }
        samples
    }
}

/// Since 1970, to the microsecond that a float of today holds.
fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}
