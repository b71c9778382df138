//! What a scenario asks before its first run, and the law that answers it from the scenario's own numbers: rates,
//! durations, places, latencies. The answer is never written down.

mod drain;
mod gone;

use std::collections::BTreeMap;

use serde::Deserialize;

use drain::Drain;
use gone::Gone;

use super::{Class, Dimension, Latency, Limit, Measure, Phase, Reference, Scenario, units::Length};

/// A question that a check of the starter's run answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guess {
    /// What is asked, a sentence.
    pub question: String,
    /// The unit of the answer: `%` for a share, `s` or `ms` for a time, any word for a count.
    pub unit: String,
    /// The check whose value is the answer.
    pub check: Reference,
    /// What computes it.
    pub law: toml::Spanned<Law>,
    /// Why what is measured differs from the law, a sentence.
    pub differs: String,
}

/// How Little's law, L = λW (Little 1961, "A proof for the queuing formula: L = λW", Operations Research 9(3)), answers a
/// question about a place that is too small for what arrives.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Law {
    /// How much of a phase is over before calls that hang have taken all slots.
    Fill(Fill),
    /// How much of the requests a pool can serve before the last of them give up.
    Served(Served),
    /// How long the wait is in a line that grows.
    Line(Line),
    /// How long a line outlives what has made it.
    Drain(Drain),
    /// How many requests go to replicas that are gone and still on the list.
    Gone(Gone),
}

/// Calls that hang come evenly and stay, so that after t there are λ·t of them: the law, while nothing has left yet. All
/// slots are taken once λ·t is their number. Until then nobody waits; after it everybody does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The class whose calls hang, as the phase's fault says.
    pub class: Reference,
    /// The phase.
    pub phase: Reference,
}

/// A connection is held for W, so a pool of L of them serves λ = L ÷ W. It does so while the load lasts, and then for as
/// long as the last of the line wait.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// The class, each of whose requests holds a connection while the dependency answers.
    pub class: Reference,
    /// The phases in which more arrive than are served, in their order.
    pub phases: Vec<Reference>,
}

/// The law says how many places are wanted, L = Σ λW over the classes. Where there are fewer, each second brings L ÷ places
/// seconds of work and does one of them: the line, first come, first served, is L ÷ places − 1 seconds longer after it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// How many there are.
    pub places: Places,
    /// How long a request of each class that goes there keeps one of them.
    pub work: BTreeMap<Reference, Length>,
    /// The phases in which the line grows, in their order.
    pub phases: Vec<Reference>,
}

/// What a line stands in front of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Places {
    /// The workers of the worker.
    Workers,
    /// The CPUs of one pod: the limit of this check, in millicores.
    Millicores(Reference),
}

/// What a law comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// In the base unit of the check's dimension.
    pub value: f64,
    /// True where more can't be measured: whoever waits for it gives up then.
    pub at_least: bool,
    /// How it comes to that, with every number that goes into it.
    pub text: String,
}

impl Guess {
    /// What the law says. The error says what the scenario lacks for it.
    pub(crate) fn sum(&self, scenario: &Scenario) -> Result<Sum, String> {
        let law = self.law.get_ref();
        let measure = self.measure(scenario).ok_or("its check is not there")?;
        let (dimension, sum) = match law {
            Law::Fill(fill) => (Dimension::Share, fill.sum(scenario)?),
            Law::Served(served) => (Dimension::Share, served.sum(scenario)?),
            Law::Line(line) => match measure {
                Measure::Latency(latency) => (Dimension::Time, line.sum(scenario, latency)?),
                Measure::Series(_) => (Dimension::Count, line.oldest(scenario)?),
                _ => {
                    return Err(
                            "`line` computes a percentile of latency, or what a series has in seconds, and its check \
                             measures something else"
                                .to_owned(),
                        );
                }
            },
            Law::Drain(drain) => (Dimension::Time, drain.sum(scenario)?),
            Law::Gone(gone) => (Dimension::Count, gone.sum(scenario)?),
        };
        if measure.dimension() != dimension {
            return Err(format!(
                "it computes {dimension}, and its check measures {}",
                measure.dimension()
            ));
        }
        Ok(sum)
    }

    /// How many of its unit one of the check's base unit is.
    pub(crate) fn per_base_unit(&self, scenario: &Scenario) -> Result<f64, String> {
        let dimension = self.measure(scenario).map(Measure::dimension);
        match (dimension, self.unit.as_str()) {
            (Some(Dimension::Share), "%") => Ok(100.0),
            (Some(Dimension::Time), "ms") => Ok(1.0),
            (Some(Dimension::Time), "s") => Ok(1e-3),
            (Some(Dimension::Count), unit) if !unit.trim().is_empty() => Ok(1.0),
            (_, unit) => Err(format!(
                "`unit` is \"%\" where the check measures a share, \"s\" or \"ms\" for a time and a word for a count, not \
                 \"{unit}\""
            )),
        }
    }

    fn measure<'a>(&self, scenario: &'a Scenario) -> Option<&'a Measure> {
        let mut checks = scenario.checks.iter();
        let check = checks.find(|check| check.id == *self.check.get_ref())?;
        Some(check.measure.get_ref())
    }
}

impl Fill {
    fn sum(&self, scenario: &Scenario) -> Result<Sum, String> {
        let class = class(scenario, &self.class)?;
        let phase = phase(scenario, &self.phase)?;
        let dep = phase.fault.as_ref().and_then(|fault| fault.dep.as_ref());
        let dep = dep.filter(|dep| dep.hang_every > 0);
        let dep = dep.ok_or_else(|| format!("in phase `{}` no call hangs", phase.name))?;
        let api = scenario.services.api.as_ref();
        let slots = f64::from(api.ok_or("it needs `[services.api]`")?.admission_slots);
        let rate = even(class, phase)?;
        let hanging = rate / f64::from(dep.hang_every);
        let stay = dep.hang.as_secs_f64();
        let whole = phase.duration.as_secs_f64();
        let wanted = format!(
            "{}/s ÷ {} = {} calls a second hang, for {} s each: {} × {} = {} slots wanted, {} there.",
            number(rate),
            dep.hang_every,
            number(hanging),
            number(stay),
            number(hanging),
            number(stay),
            number(hanging * stay),
            number(slots)
        );
        if hanging * stay <= slots {
            return Ok(Sum {
                value: 1.0,
                at_least: false,
                text: format!("{wanted} Nobody waits."),
            });
        }
        let full = (slots / hanging).min(whole);
        Ok(Sum {
            value: full / whole,
            at_least: false,
            text: format!(
                "{wanted} All are taken after {} ÷ {} = {} s, and whoever comes later waits: {} of {} s are {} %.",
                number(slots),
                number(hanging),
                number(full),
                number(full),
                number(whole),
                number(100.0 * full / whole)
            ),
        })
    }
}

impl Served {
    fn sum(&self, scenario: &Scenario) -> Result<Sum, String> {
        let class = class(scenario, &self.class)?;
        let api = scenario.services.api.as_ref();
        let api = api.ok_or("it needs `[services.api]`")?;
        let (Some(pool), Some(patience)) = (api.pool_size, api.pool_acquire_timeout) else {
            return Err(
                "it needs `pool_size` and `pool_acquire_timeout` in `[services.api]`".to_owned(),
            );
        };
        let held = scenario.services.dep.latency.as_secs_f64();
        if held <= 0.0 {
            return Err("it needs a `latency` above 0 in `[services.dep]`".to_owned());
        }
        let (mut offered, mut lasts) = (0.0, 0.0);
        for name in &self.phases {
            let phase = phase(scenario, name)?;
            let seconds = phase.duration.as_secs_f64();
            offered += even(class, phase)? * seconds;
            lasts += seconds;
        }
        if offered <= 0.0 {
            return Err(format!("class `{}` sends nothing then", class.name));
        }
        let serves = f64::from(pool) / held;
        let patience = patience.as_secs_f64();
        let value = (serves * (lasts + patience) / offered).min(1.0);
        Ok(Sum {
            value,
            at_least: false,
            text: format!(
                "{pool} connections, each held for {} s, serve {pool} ÷ {} = {} requests a second of {}. They do so for {} s, \
                 and for the {} s that the last in line wait: {} × {} ÷ {} = {} %.",
                number(held),
                number(held),
                number(serves),
                number(offered / lasts),
                number(lasts),
                number(patience),
                number(serves),
                number(lasts + patience),
                number(offered),
                number(100.0 * value)
            ),
        })
    }
}

impl Line {
    fn sum(&self, scenario: &Scenario, latency: &Latency) -> Result<Sum, String> {
        let (places, of) = self.places.count(scenario)?;
        let asked = class(scenario, &latency.class)?;
        let (wanted, terms) = self.wanted(scenario)?;
        let at = self.moment(scenario, latency)?;
        let share = latency.percentile;
        let own = self.work_of(asked)?;
        let longer = (wanted / places - 1.0).max(0.0);
        let wait = longer * at + own;
        let patience = asked.timeout.as_secs_f64();
        let text = format!(
            "{terms} = {} {of} wanted, {} there. Each second makes the line {} ÷ {} − 1 = {} s longer: {} s after {} s, when \
             {share} % of the requests in question have come.",
            number(wanted),
            number(places),
            number(wanted),
            number(places),
            number(longer),
            number(longer * at),
            number(at),
        );
        let gives_up = wait > patience;
        Ok(Sum {
            value: wait.min(patience) * 1e3,
            at_least: gives_up,
            text: if gives_up {
                format!("{text} They give up after {} s.", number(patience))
            } else {
                text
            },
        })
    }

    /// How long the last of these phases' requests waits in line, seconds: the longest wait, which no client's patience ends.
    fn oldest(&self, scenario: &Scenario) -> Result<Sum, String> {
        let (places, of) = self.places.count(scenario)?;
        let (wanted, terms) = self.wanted(scenario)?;
        let mut lasts = 0.0;
        for name in &self.phases {
            lasts += phase(scenario, name)?.duration.as_secs_f64();
        }
        let longer = (wanted / places - 1.0).max(0.0);
        Ok(Sum {
            value: longer * lasts,
            at_least: false,
            text: format!(
                "{terms} = {} {of} wanted, {} there. Each second makes the line {} ÷ {} − 1 = {} s longer: {} s after {} s.",
                number(wanted),
                number(places),
                number(wanted),
                number(places),
                number(longer),
                number(longer * lasts),
                number(lasts),
            ),
        })
    }

    /// How many places are wanted, and the sum of it: the same in all of its phases.
    fn wanted(&self, scenario: &Scenario) -> Result<(f64, String), String> {
        let first = self.phases.first().ok_or("it needs a phase")?;
        let (mut wanted, mut terms) = (0.0, Vec::new());
        for name in self.work.keys() {
            class(scenario, name)?;
        }
        for of in &scenario.classes {
            let work = self.work_of(of)?;
            let rate = even(of, phase(scenario, first)?)?;
            for other in &self.phases {
                if (even(of, phase(scenario, other)?)? - rate).abs() > f64::EPSILON {
                    return Err(format!(
                        "class `{}` has another rate in phase `{}`; the line grows evenly or not at all",
                        of.name,
                        other.get_ref()
                    ));
                }
            }
            wanted += rate * work;
            terms.push(format!("{}/s × {} ms", number(rate), number(work * 1e3)));
        }
        Ok((wanted, terms.join(" + ")))
    }

    /// How long a request of a class keeps a place, seconds.
    fn work_of(&self, class: &Class) -> Result<f64, String> {
        let mut all = self.work.iter();
        let found = all.find(|(name, _)| *name.get_ref() == class.name);
        found
            .map(|(_, work)| work.0.as_secs_f64())
            .ok_or_else(|| format!("`work` does not have class `{}`", class.name))
    }

    /// When the request comes whose latency is the percentile, seconds from where the line begins to grow: what comes
    /// later waits longer, so that share of the measured requests have come by then.
    fn moment(&self, scenario: &Scenario, latency: &Latency) -> Result<f64, String> {
        let mut before = 0.0;
        let mut measured = 0.0;
        for name in &self.phases {
            let seconds = phase(scenario, name)?.duration.as_secs_f64();
            let is_measured = latency
                .phases
                .iter()
                .any(|phase| phase.get_ref() == name.get_ref());
            match (is_measured, measured > 0.0) {
                (true, _) => measured += seconds,
                (false, false) => before += seconds,
                (false, true) => break,
            }
        }
        if measured > 0.0 {
            Ok(before + measured * latency.percentile as f64 / 100.0)
        } else {
            Err("its check measures none of these phases".to_owned())
        }
    }
}

impl Places {
    fn count(&self, scenario: &Scenario) -> Result<(f64, &'static str), String> {
        match self {
            Self::Workers => {
                let worker = scenario.services.worker.as_ref();
                let workers = worker.ok_or("it needs `[services.worker]`")?.workers;
                Ok((f64::from(workers), "workers"))
            }
            Self::Millicores(name) => {
                let mut checks = scenario.checks.iter();
                let check = checks.find(|check| check.id == *name.get_ref());
                match check.map(|check| check.limit) {
                    Some(Limit::Exactly(limit)) if limit.value > 0.0 => {
                        Ok((limit.value / 1e3, "CPUs"))
                    }
                    _ => Err(format!(
                        "`millicores` is a check with `exactly` as its limit, and `{}` is none",
                        name.get_ref()
                    )),
                }
            }
        }
    }
}

fn class<'a>(scenario: &'a Scenario, name: &Reference) -> Result<&'a Class, String> {
    let mut classes = scenario.classes.iter();
    let found = classes.find(|class| class.name == *name.get_ref());
    found.ok_or_else(|| format!("no class is called `{}`", name.get_ref()))
}

fn phase<'a>(scenario: &'a Scenario, name: &Reference) -> Result<&'a Phase, String> {
    let mut phases = scenario.phases.iter();
    let found = phases.find(|phase| phase.name == *name.get_ref());
    found.ok_or_else(|| format!("no phase is called `{}`", name.get_ref()))
}

/// The rate of a class in a phase, per second.
fn even(class: &Class, phase: &Phase) -> Result<f64, String> {
    let rate = class.rate_in(phase);
    if rate.is_ramp() {
        Err(format!(
            "class `{}` has a ramp in phase `{}`, which the law is not made for",
            class.name, phase.name
        ))
    } else {
        Ok(rate.from)
    }
}

/// A number in a sum, to three digits.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::{step, steps};

    /// The law of a step, in the unit of its question.
    fn law(scenario: &Scenario) -> (f64, String) {
        let guess = scenario.guess.as_ref().expect("it asks something");
        let sum = guess.sum(scenario).unwrap();
        let value = sum.value * guess.per_base_unit(scenario).unwrap();
        (value, sum.text)
    }

    /// What runs of the starters measured, on 2 cores on 28 and 29 November 2026, those of the workshop's own check and
    /// readers', and on a cluster.
    #[test]
    fn the_law_comes_near_what_starters_measured() {
        for (name, measured, of_it) in [
            ("timeouts", vec![21.7, 22.5], 0.05),
            ("tx", vec![58.0, 59.8, 60.9], 0.06),
            ("bulkheads", vec![6.64, 6.65, 6.67], 0.03),
            ("autoscale", vec![5.0], 0.01),
            ("retries", vec![14.0], 0.01),
            ("shutdown", vec![94.0, 95.0], 0.01),
            ("shedding", vec![5.07], 0.05),
        ] {
            let (value, text) = law(&step(name).unwrap());
            for seen in measured {
                let apart = (value - seen).abs() / seen;
                assert!(apart <= of_it, "{name}: {value} against {seen}: {text}");
            }
        }
        // The crash takes longer there, and so does the load.
        let (value, _) = law(&step("tx").unwrap().on_cluster());
        assert!((value - 53.7).abs() / 53.7 < 0.08, "{value}");
    }

    #[test]
    fn the_sums_have_every_number_in_them() {
        let texts: Vec<String> = steps().unwrap().iter().map(|step| law(step).1).collect();
        insta::assert_snapshot!(texts.join("\n\n"));
    }

    /// The work of a request stands in the law where the scenario says it to the service in words of that service.
    #[test]
    fn the_work_of_a_request_is_what_the_service_is_asked_for() {
        let work = |name: &str, class: &str| {
            let scenario = step(name).unwrap();
            let Law::Line(line) = scenario.guess.unwrap().law.into_inner() else {
                panic!("no line in {name}")
            };
            let mut works = line.work.into_iter();
            let (_, work) = works.find(|(of, _)| of.get_ref() == class).unwrap();
            work.0
        };
        let request = &step("autoscale").unwrap().classes[0].request;
        let asked = request
            .split_once("cpu_ms=")
            .unwrap()
            .1
            .parse::<u64>()
            .unwrap();
        assert_eq!(work("autoscale", "burn"), Duration::from_millis(asked));
        let Law::Drain(drain) = step("retries").unwrap().guess.unwrap().law.into_inner() else {
            panic!("no drain in retries")
        };
        let starter = include_str!("../../../lab-services/src/cases/starter/retries.rs");
        let retries = format!("const RETRIES: u32 = {};", drain.retries);
        assert!(starter.contains(&retries), "{retries}");
        let piece = include_str!("../../../lab-services/src/work.rs");
        assert!(piece.contains("TAKES: Duration = Duration::from_millis(200);"));
        for class in ["critical", "sheddable"] {
            assert_eq!(work("shedding", class), Duration::from_millis(200));
        }
        // As lab-services has the kinds of jobs.
        let kinds = include_str!("../../../lab-services/src/worker.rs");
        for (name, class, times) in [
            ("fast", "fast", 1),
            ("slow", "slow", 1),
            ("fast", "burst", 8),
        ] {
            let at = kinds
                .find(&format!("    {name}_ms: u64"))
                .expect("the option");
            let (_, rest) = kinds[..at]
                .rsplit_once("default_value_t = ")
                .expect("its default");
            let digits: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '_')
                .collect();
            let ms: u32 = digits.replace('_', "").parse().unwrap();
            assert_eq!(
                work("bulkheads", class),
                Duration::from_millis(ms.into()) * times
            );
        }
    }

    /// What the law is told of the replicas is in the manifest.
    #[test]
    fn the_replicas_of_the_law_are_those_of_the_manifest() {
        let Law::Gone(gone) = step("shutdown").unwrap().guess.unwrap().law.into_inner() else {
            panic!("another law")
        };
        let manifest = include_str!("../../../deploy/k8s/starter/api-roll.yaml");
        let says = |text: String| assert!(manifest.contains(&text), "{text}");
        says(format!("replicas: {}\n", gone.replicas));
        let surge = gone.listed - gone.replicas;
        says(format!("maxUnavailable: 0, maxSurge: {surge} }}"));
    }

    #[test]
    fn where_all_fits_the_law_says_so() {
        let with = |name: &str, from: &str, to: &str| {
            let text = step(name).unwrap().text;
            assert!(text.contains(from), "{name} no longer says {from}");
            law(&Scenario::parse("my.toml", &text.replacen(from, to, 1)).unwrap())
        };
        let (all, text) = with("timeouts", "admission_slots = 16", "admission_slots = 30");
        assert!(
            (all - 100.0).abs() < 1e-9 && text.ends_with("Nobody waits."),
            "{text}"
        );
        let (all, _) = with("tx", "pool_size = 10", "pool_size = 20");
        assert!((all - 100.0).abs() < 1e-9);
        // 75 in line after the cause, and 50 of 100 a second to spare.
        let (s, text) = with("retries", "retries = 3, after", "retries = 0, after");
        assert!((s - 1.5).abs() < 1e-9, "{s}: {text}");
        let (s, _) = with("bulkheads", "workers = 8", "workers = 16");
        assert!((s - 0.01).abs() < 1e-9, "a fast job's own time: {s}");
    }
}
