//! From a scenario to what the platform starts and what the load engine sends.

use std::{collections::BTreeSet, num::NonZeroU32, path::Path, time::Duration};

use anyhow::{Context, Result};
use lab_load::{
    Again, ClassPlan, Plan, Repeat, Share, Template,
    schedule::{Schedule, Shape, Spacing, Stretch},
    summary::Span,
};
use lab_record::RunId;

use crate::{
    code::Code,
    platform::{ApiSpec, LoadSpec, StackSpec, WorkerSpec},
    scenario::{Arrivals, Body, Class, Phase, Scenario},
    score,
};

use super::{Order, autoscaler::Manifests, rollout::Rolled};

/// Seed of Poisson arrivals: the same in every run, so that runs can be compared.
const SEED: u64 = 20_261_123;

/// The most connections that are opened to each target before the clock starts where the scenario doesn't say how many:
/// twice what a healthy run of the workshop has in flight.
const CONNECTIONS: f64 = 48.0;

/// What a process has open besides connections and children: streams, event loops, timers, files that it reads now and
/// then. A dozen or two, with some to spare.
const OWN_FILES: usize = 40;

/// A child's three pipes, its log, and what tells of its end.
const FILES_OF_CHILD: usize = 5;

/// The poll, waker, timer and clock of a send loop's event loop. Of one of them the driver's own files know.
const FILES_OF_LOOP: usize = 4;

/// Children of the driver besides the replicas of the api.
const OTHER_CHILDREN: usize = 4;

/// Longer than what is done around a load, from the first object to the last look.
const AROUND: Duration = Duration::from_mins(15);

/// The stack that a scenario needs.
pub(super) fn stack(
    order: &Order<'_>,
    manifests: Option<&Manifests>,
    rolled: Option<&Rolled>,
    folder: &Path,
) -> StackSpec {
    let Order { scenario, code, .. } = order;
    let services = &scenario.services;
    let defaults = ApiSpec::default();
    let api = services.api.as_ref().map(|api| ApiSpec {
        replicas: manifests.map_or(
            rolled.map_or(1, Rolled::replicas),
            Manifests::initial_replicas,
        ),
        admission_slots: api.admission_slots,
        pool_size: api.pool_size.unwrap_or(defaults.pool_size),
        pool_acquire_timeout: api
            .pool_acquire_timeout
            .unwrap_or(defaults.pool_acquire_timeout),
        cpu_quota: manifests.and_then(Manifests::cpu_limit),
        manifests: manifests.map(Manifests::files),
        database: api.database,
        crashable: scenario.phases.iter().any(|phase| phase.crash.is_some()),
        roll: rolled.map(Rolled::spec),
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

/// Open files of the neediest process of a run, if no request is answered before its time is up: a connection is one.
pub(super) fn open_files(spec: &StackSpec, plan: &Plan, replicas: u32) -> u64 {
    let in_flight: usize = plan.classes.iter().map(most_in_flight).sum();
    let services: BTreeSet<String> = plan.classes.iter().map(|c| c.service.to_string()).collect();
    let (replicas_first, slots, pool) = spec.api.as_ref().map_or((0, 0, 0), |api| {
        (api.replicas, api.admission_slots, api.pool_size)
    });
    let at_the_start = services.len() + replicas_first.saturating_sub(1) as usize;
    let children = OTHER_CHILDREN + replicas as usize;
    let loops = lab_load::loops(plan, Share::WHOLE) as usize;
    // Each opens as many as the others, which may be one more than its share.
    let opened = at_the_start * (plan.connections_per_target + loops - 1);
    let driver = children * FILES_OF_CHILD + loops * FILES_OF_LOOP + opened + in_flight;
    // All may go to one replica, which has so many at work, each with a connection to the dependency.
    let at_work = (slots + pool) as usize;
    let service = plan.connections_per_target + in_flight + at_work;
    (OWN_FILES + driver.max(service)) as u64
}

/// Requests of a class that are in flight at a time, if each takes all of its time.
fn most_in_flight(class: &ClassPlan) -> usize {
    let attempts = 1 + class
        .again
        .as_ref()
        .map_or(0, |again| u32::from(again.times));
    let within = class.timeout * attempts;
    let mut leaving = class.schedule.arrivals().peekable();
    let mut left = 0;
    let in_flight = (1..).zip(class.schedule.arrivals()).map(|(come, at)| {
        while leaving.next_if(|due| *due + within <= at).is_some() {
            left += 1;
        }
        come - left
    });
    in_flight.max().unwrap_or(0).min(class.max_in_flight)
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
        connections_per_target: connections(scenario),
        // Longer than any request can last: nothing is cut off.
        drain: patience.unwrap_or_default() + Duration::from_secs(1),
        phases: scenario.spans().map(span).collect(),
        lateness: scenario.lateness_limit,
        loops: scenario.loops.and_then(NonZeroU32::new),
    })
}

fn span((phase, from, to): (&Phase, Duration, Duration)) -> Span {
    Span {
        name: phase.name.clone(),
        from,
        to,
    }
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::scenario::{step, steps};

    const OWN: &str = include_str!("../../scenarios/own-service.toml");

    /// What a scenario of the workshop needs on this machine.
    fn needed(scenario: &Scenario) -> u64 {
        let plan = load(scenario, &RunId::new(Timestamp::UNIX_EPOCH, 0)).unwrap();
        let spec = StackSpec {
            api: Some(ApiSpec::default()),
            ..StackSpec::new("mine")
        };
        open_files(&spec, &plan, 4)
    }

    #[test]
    fn files_are_counted_for_the_worst_that_a_schedule_can_bring() {
        let mut scenario = step("timeouts").unwrap();
        scenario.classes.truncate(1);
        let plan = load(&scenario, &RunId::new(Timestamp::UNIX_EPOCH, 0)).unwrap();
        let mut class = plan.classes[0].clone();
        let stretch = |seconds, rate: f64| Stretch {
            length: Duration::from_secs(seconds),
            shape: Shape::Constant(rate.try_into().unwrap()),
        };
        class.timeout = Duration::from_secs(2);
        class.schedule = Schedule {
            stretches: vec![stretch(9, 10.0)],
            spacing: Spacing::Even,
        };
        assert_eq!(most_in_flight(&class), 20);
        class.schedule.stretches.push(stretch(1, 25.0));
        class.schedule.stretches.push(stretch(5, 10.0));
        assert_eq!(most_in_flight(&class), 35);
        class.max_in_flight = 30;
        assert_eq!(most_in_flight(&class), 30);
        // All 15 of 1.5 s at once, and those before them.
        class.schedule = Schedule {
            stretches: vec![stretch(9, 10.0)],
            spacing: Spacing::Bursts {
                of: 15.try_into().unwrap(),
            },
        };
        class.max_in_flight = 100;
        assert_eq!(most_in_flight(&class), 30);
        class.schedule.stretches.clear();
        assert_eq!(most_in_flight(&class), 0);
    }

    #[test]
    fn the_workshop_s_scenarios_need_no_more_than_a_machine_has_as_a_rule() {
        for scenario in steps().unwrap() {
            let (name, needed) = (&scenario.name, needed(&scenario));
            assert!((100..4096).contains(&needed), "{name}: {needed}");
        }
    }

    fn planned(text: &str) -> Plan {
        let scenario = Scenario::parse("my.toml", text).unwrap();
        load(&scenario, &RunId::new(Timestamp::UNIX_EPOCH, 0)).unwrap()
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
        // The workshop's are measured alike.
        for scenario in steps().unwrap() {
            assert_eq!(connections(&scenario.text), 48, "{}", scenario.name);
        }
    }

    #[test]
    fn a_scenario_says_how_many_loops_share_its_schedule_if_it_says_so() {
        assert_eq!(planned(OWN).loops, None);
        let two = planned(&format!("loops = 2\n{OWN}"));
        assert_eq!(two.loops, NonZeroU32::new(2));
        // One is enough for the workshop's, on any machine.
        for scenario in steps().unwrap() {
            let plan = planned(&scenario.text);
            assert_eq!(lab_load::loops(&plan, Share::WHOLE), 1);
        }
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
