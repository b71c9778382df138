//! How long a line outlives what has made it.

use serde::Deserialize;

use super::{Reference, Sum, class, even, number, phase};
use crate::scenario::{Dep, Phase, Scenario};

/// What comes and is not served stands in line, as long as that takes. Where every try of it fails, a request of a class
/// that tries again comes 1 + retries times. The line ends if the dependency can do more than that, L ÷ (can − comes) after
/// the cause of it; and if it can't, never.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// The class that tries again.
    pub class: Reference,
    /// How often, at most, as the starter has it.
    pub retries: u32,
    /// The phase in which the dependency can do less.
    pub after: Reference,
}

impl Drain {
    pub(super) fn sum(&self, scenario: &Scenario) -> Result<Sum, String> {
        let retrying = class(scenario, &self.class)?;
        let cause = phase(scenario, &self.after)?;
        let fault = cause.fault.as_ref().and_then(|fault| fault.dep.as_ref());
        let fault = fault
            .ok_or_else(|| format!("in phase `{}` the dependency has no fault", cause.name))?;
        let (slow, well) = (Served::by(fault)?, Served::by(&scenario.services.dep)?);
        let (mut comes, mut terms) = (0.0, Vec::new());
        for of in &scenario.classes {
            let rate = even(of, cause)?;
            let tries = if of.name == retrying.name {
                terms.push(format!("{} × {}", number(rate), 1 + self.retries));
                1 + self.retries
            } else {
                terms.push(number(rate));
                1
            };
            comes += rate * f64::from(tries);
        }
        let lasts = cause.duration.as_secs_f64();
        let line = ((comes - slow.a_second) * lasts).clamp(0.0, f64::from(fault.line));
        let text = format!(
            "{} = {} calls a second come once every try fails, and {} = {} can be done: after {} s {} stand in line{}. From then \
             on {} = {} can be done",
            terms.join(" + "),
            number(comes),
            slow.text,
            number(slow.a_second),
            number(lasts),
            number(line),
            if line < f64::from(fault.line) {
                ""
            } else {
                ", where no more find room"
            },
            well.text,
            number(well.a_second),
        );
        if comes >= well.a_second {
            let left = rest(scenario, cause);
            return Ok(Sum {
                value: left * 1e3,
                at_least: true,
                text: format!(
                    "{text}, and {} come all the same: the line stays full, for the {} s that the run goes on.",
                    number(comes),
                    number(left)
                ),
            });
        }
        let ends = line / (well.a_second - comes);
        Ok(Sum {
            value: ends * 1e3,
            at_least: false,
            text: format!(
                "{text}, and {} come: the line is gone after {} ÷ ({} − {}) = {} s.",
                number(comes),
                number(line),
                number(well.a_second),
                number(comes),
                number(ends)
            ),
        })
    }
}

/// What a dependency can do.
struct Served {
    a_second: f64,
    text: String,
}

impl Served {
    fn by(dep: &Dep) -> Result<Self, String> {
        let takes = dep.latency.as_secs_f64();
        if dep.capacity == 0 || dep.line == 0 || takes <= 0.0 {
            return Err(
                "it needs a `latency`, a `capacity` and a `line` above 0 of the dependency"
                    .to_owned(),
            );
        }
        Ok(Self {
            a_second: f64::from(dep.capacity) / takes,
            text: format!("{} ÷ {} s", dep.capacity, number(takes)),
        })
    }
}

/// How long the load goes on after a phase, seconds.
fn rest(scenario: &Scenario, after: &Phase) -> f64 {
    let end = scenario
        .spans()
        .find(|(phase, ..)| phase.name == after.name);
    let end = end.map_or(scenario.duration(), |(.., end)| end);
    scenario.duration().saturating_sub(end).as_secs_f64()
}
