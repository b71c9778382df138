//! From a scenario to what the platform starts and what the load engine sends.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use lab_load::{
    Again, ClassPlan, Plan, Repeat, Template,
    schedule::{Schedule, Shape, Spacing, Stretch},
    summary::Span,
};
use lab_record::RunId;

use crate::{
    code::Code,
    platform::{ApiSpec, LoadSpec, StackSpec, WorkerSpec},
    scenario::{Arrivals, Class, Phase, Scenario},
    score,
};

use super::{Order, autoscaler::Manifests};

/// Seed of Poisson arrivals: the same in every run, so that runs can be compared.
const SEED: u64 = 20_261_123;

/// Connections opened to each target before the clock starts: twice what a healthy run of the
/// workshop has in flight.
const CONNECTIONS: usize = 48;

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
pub(crate) fn load(scenario: &Scenario, run_id: &RunId) -> Result<Plan> {
    let patience = scenario.classes.iter().map(|class| class.timeout).max();
    let classes = scenario.classes.iter().enumerate();
    Ok(Plan {
        run: run_id.to_string(),
        classes: classes
            .map(|(index, class)| class_plan(scenario, index, class))
            .collect::<Result<_>>()?,
        connections_per_target: CONNECTIONS,
        // Longer than any request can last: nothing is cut off.
        drain: patience.unwrap_or_default() + Duration::from_secs(1),
        phases: scenario.spans().map(span).collect(),
        lateness: scenario.lateness_limit,
    })
}

fn span((phase, from, to): (&Phase, Duration, Duration)) -> Span {
    Span {
        name: phase.name.clone(),
        from,
        to,
    }
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
    Ok(ClassPlan {
        name: class.name.clone(),
        service: class.service,
        method: method.parse()?,
        path: Template::new(path),
        body: class.body.as_deref().map(Template::new),
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
        keeps_keys: score::needs_keys(scenario, class),
        expectation: class.expectation(),
        schedule: Schedule { stretches, spacing },
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
