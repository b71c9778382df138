//! From a scenario to what the platform starts and what the load engine sends.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use lab_load::{
    Again, ClassPlan, Plan, Repeat, Template,
    schedule::{self, Shape, Spacing, Stretch},
};
use lab_record::RunId;

use crate::{
    code::Code,
    platform::{ApiSpec, LoadSpec, StackSpec, WorkerSpec},
    scenario::{Arrivals, Body, Class, Phase, Scenario},
};

use super::{Order, autoscaler::Manifests};

/// Seed of Poisson arrivals: the same in every run, so that runs can be compared.
const SEED: u64 = 20_261_123;

/// The most connections that are opened to each target before the clock starts where the scenario doesn't say how many:
/// twice what a healthy run of the workshop has in flight.
const CONNECTIONS: f64 = 48.0;

/// Longer than what is done around a load, from the first object to the last look.
const AROUND: Duration = Duration::from_mins(15);

/// The stack that a scenario needs.
pub(super) fn stack(order: &Order<'_>, manifests: Option<&Manifests>, folder: &Path) -> StackSpec {
    let Order { scenario, code, .. } = order;
    let services = &scenario.services;
    let defaults = ApiSpec::default();
    let api = services.api.as_ref().map(|api| ApiSpec {
        replicas: manifests.map_or(1, Manifests::initial_replicas),
        admission_slots: api.admission_slots,
        pool_size: api.pool_size.unwrap_or(defaults.pool_size),
        pool_acquire_timeout: api
            .pool_acquire_timeout
            .unwrap_or(defaults.pool_acquire_timeout),
        cpu_quota: manifests.and_then(Manifests::cpu_limit),
        manifests: manifests.map(Manifests::files),
        database: api.database,
        crashable: scenario.phases.iter().any(|phase| phase.crash.is_some()),
        port: 0,
    });
    let worker = services.worker.as_ref().map(|worker| WorkerSpec {
        workers: worker.workers,
        ..WorkerSpec::default()
    });
    // The manifests are the code of an autoscaled scenario; its services run the participant's.
    let code = if manifests.is_some() {
        Code::Mine
    } else {
        code.clone()
    };
    StackSpec {
        api,
        worker,
        load: LoadSpec {
            pods: order.load_pods,
            lasts: scenario.duration() + AROUND,
        },
        run_folder: Some(folder.to_owned()),
        ..StackSpec::new(code.to_string())
    }
}

/// The load of a scenario, with every arrival fixed.
pub(super) fn load(scenario: &Scenario, run_id: &RunId) -> Result<Plan> {
    let patience = scenario.classes.iter().map(|class| class.timeout).max();
    let classes = scenario.classes.iter().enumerate();
    Ok(Plan {
        run: run_id.to_string(),
        classes: classes
            .map(|(index, class)| class_plan(scenario, index, class))
            .collect::<Result<_>>()?,
        connections_per_target: connections(scenario),
        // Longer than any request can last: nothing is cut off.
        drain: patience.unwrap_or_default() + Duration::from_secs(1),
    })
}

/// As many as the scenario says; else as many as requests are in flight, by Little's law (L = λW), while the service keeps
/// its objectives at the highest rates. More would be idle, which costs a server with a process or thread for each.
fn connections(scenario: &Scenario) -> usize {
    let in_flight = |phase: &Phase| -> f64 {
        let classes = scenario.classes.iter();
        let of_each = classes.map(|class| {
            let rate = class.rate_in(phase);
            rate.from.max(rate.to) * class.slo.as_secs_f64()
        });
        of_each.sum()
    };
    let most = scenario.phases.iter().map(in_flight).fold(0.0, f64::max);
    scenario
        .connections
        .map_or(most.ceil().min(CONNECTIONS) as usize, |count| {
            count as usize
        })
}

fn class_plan(scenario: &Scenario, index: usize, class: &Class) -> Result<ClassPlan> {
    let (method, path) = class
        .request
        .split_once(' ')
        .context("a request without a path")?;
    let spacing = match class.arrivals {
        Arrivals::Constant => Spacing::Even,
        Arrivals::Burst(of) => Spacing::Bursts { of },
        Arrivals::Poisson => Spacing::Poisson {
            seed: SEED + index as u64,
        },
    };
    let stretches: Vec<Stretch> = scenario
        .phases
        .iter()
        .map(|phase| stretch(class, phase))
        .collect::<Result<_>>()?;
    let headers = class.headers.iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.clone(), Template::new(value.as_str())))
        .collect();
    let says_type = |(name, _): &(String, _)| name.eq_ignore_ascii_case("content-type");
    if let Some(body) = &class.body
        && !headers.iter().any(says_type)
    {
        headers.push(("content-type".to_owned(), Template::new(body.media_type())));
    }
    Ok(ClassPlan {
        name: class.name.clone(),
        service: class.service,
        method: method.parse()?,
        path: Template::new(path),
        headers,
        body: class.body.as_ref().map(Body::to_sent),
        timeout: class.timeout,
        max_in_flight: class.max_in_flight as usize,
        repeat: class.repeat.map(|repeat| Repeat {
            every: repeat.every.into(),
            lag: repeat.lag.into(),
        }),
        again: class.again.as_ref().map(|again| Again {
            after: again.after,
            times: again.times,
            statuses: again.statuses.clone(),
        }),
        keeps_answers: class.receipts,
        arrivals: schedule::arrivals(&stretches, spacing),
    })
}

fn stretch(class: &Class, phase: &Phase) -> Result<Stretch> {
    let rate = class.rate_in(phase);
    let shape = if rate.is_ramp() {
        Shape::Ramp {
            from: rate.from.try_into()?,
            to: rate.to.try_into()?,
        }
    } else {
        Shape::Constant(rate.from.try_into()?)
    };
    Ok(Stretch {
        length: phase.duration,
        shape,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = include_str!("../../scenarios/own-service.toml");

    fn planned(text: &str) -> Plan {
        let scenario = Scenario::parse("my.toml", text).unwrap();
        load(&scenario, &RunId::new(jiff::Timestamp::UNIX_EPOCH, 0)).unwrap()
    }

    #[test]
    fn connections_are_opened_ahead_by_littles_law_or_as_the_scenario_says() {
        let connections = |text: &str| planned(text).connections_per_target;
        // 100 req/s × 300 ms.
        assert_eq!(connections(OWN), 30);
        assert_eq!(connections(&OWN.replace("\"100/s\"", "\"1000/s\"")), 48);
        assert_eq!(connections(&OWN.replace("0/s", "/s")), 3);
        assert_eq!(connections(&format!("connections = 0\n{OWN}")), 0);
        assert_eq!(connections(&format!("connections = 500\n{OWN}")), 500);
    }

    #[test]
    fn a_body_says_its_type_unless_a_header_does() {
        let headers = |lines: &str| {
            let text = OWN.replace(
                "request = \"GET /\"",
                &format!("request = \"PUT /\"\n{lines}"),
            );
            let class = planned(&text).classes.remove(0);
            let headers = class.headers.into_iter();
            headers
                .map(|(name, value)| format!("{name}: {}", value.source()))
                .collect::<Vec<_>>()
        };
        assert_eq!(headers("body = '{}'"), ["content-type: application/json"]);
        let own =
            "headers = { Content-Type = \"text/csv\", a = \"{key}\" }\nbody = { text = \"x\" }";
        assert_eq!(headers(own), ["Content-Type: text/csv", "a: {key}"]);
        assert!(headers("").is_empty());
    }
}
