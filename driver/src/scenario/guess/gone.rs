//! Requests that go to replicas which are gone, and still on the list by which they are sent.

use serde::Deserialize;

use super::{Phase, Reference, Scenario, Sum, class, even, number};

/// Each replica of so many gets λ ÷ listed of the requests, and goes on getting them for as long as it is on the list; those
/// that it had under way, L = λW ÷ listed, break as well.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// The class, each of whose requests waits for the dependency.
    pub class: Reference,
    /// How many leave, one after the other.
    pub replicas: u32,
    /// How many are on the list while one leaves.
    pub listed: u32,
}

impl Gone {
    pub(super) fn sum(&self, scenario: &Scenario) -> Result<Sum, String> {
        let class = class(scenario, &self.class)?;
        let rolls = |phase: &&Phase| phase.roll.is_some();
        let phase = scenario.phases.iter().find(rolls);
        let rate = even(class, phase.ok_or("no phase has a `roll`")?)?;
        let api = scenario.services.api.as_ref();
        let rolled = api.and_then(|api| api.rolled);
        let listed_for = rolled
            .ok_or("it needs `rolled` in `[services.api]`")?
            .listed_for;
        if self.listed == 0 {
            return Err("`listed` counts replicas, from 1".to_owned());
        }
        let (on_list, takes) = (
            listed_for.as_secs_f64(),
            scenario.services.dep.latency.as_secs_f64(),
        );
        let each = rate / f64::from(self.listed);
        let value = f64::from(self.replicas) * each * (on_list + takes);
        Ok(Sum {
            value,
            at_least: false,
            text: format!(
                "While one leaves there are {} on the list, and {}/s ÷ {} = {} requests a second go to each. It gets them for \
                 {} s more, and {} × {} s are under way when it ends: {} × {} × ({} + {}) = {}.",
                self.listed,
                number(rate),
                self.listed,
                number(each),
                number(on_list),
                number(each),
                number(takes),
                self.replicas,
                number(each),
                number(on_list),
                number(takes),
                number(value)
            ),
        })
    }
}
