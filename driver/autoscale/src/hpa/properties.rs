//! What holds whatever happens.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn spec() -> impl Strategy<Value = HpaSpec> {
    (
        1..20_u32,
        0..20_u32,
        1..300_u32,
        proptest::option::of(behavior()),
    )
        .prop_map(|(min, more, target_utilization, behavior)| HpaSpec {
            target: target(),
            min,
            max: min + more,
            target_utilization,
            behavior,
        })
}

fn target() -> ObjectRef {
    let text = str::to_owned;
    ObjectRef {
        namespace: text("lab"),
        api_version: text("apps/v1"),
        kind: text("Deployment"),
        name: text("api"),
    }
}

fn behavior() -> impl Strategy<Value = Behavior> {
    (rules(), rules()).prop_map(|(scale_up, scale_down)| Behavior {
        scale_up,
        scale_down,
    })
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let change = prop_oneof![
        (1..=u32::MAX).prop_map(Change::Pods),
        (1..=u32::MAX).prop_map(Change::Percent)
    ];
    let policy = (change, 1..=1800_u64).prop_map(|(change, seconds)| Policy {
        change,
        period: secs(seconds),
    });
    let select = prop_oneof![
        Just(SelectPolicy::Max),
        Just(SelectPolicy::Min),
        Just(SelectPolicy::Disabled)
    ];
    let tolerance = proptest::option::of(0.0..3.0_f64);
    (
        proptest::option::of(0..=3600_u64),
        select,
        proptest::collection::vec(policy, 1..4),
        tolerance,
    )
        .prop_map(|(window, select, policies, tolerance)| ScalingRules {
            stabilization: window.map(secs),
            select,
            policies,
            tolerance,
        })
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![(0..10_000_u64).prop_map(secs), Just(Duration::MAX)]
}

fn amount() -> impl Strategy<Value = Millicores> {
    prop_oneof![0..2000_u64, Just(u64::MAX)].prop_map(Millicores)
}

fn pod() -> impl Strategy<Value = PodSample> {
    let phase = prop_oneof![1 => Just(PodPhase::Pending), 4 => Just(PodPhase::Running), 1 => Just(PodPhase::Failed)];
    let request = prop_oneof![
        8 => amount().prop_map(CpuRequest::Set),
        1 => Just(CpuRequest::Missing { container: "api".into() }),
    ];
    let readiness = (any::<bool>(), time()).prop_map(|(ready, since)| Readiness { ready, since });
    let usage = (amount(), time(), time()).prop_map(|(cpu, at, window)| Usage { cpu, at, window });
    let option = proptest::option::of::<BoxedStrategy<Duration>>;
    (
        phase,
        any::<bool>(),
        option(time().boxed()),
        proptest::option::of(readiness),
        proptest::option::of(usage),
        request,
    )
        .prop_map(
            |(phase, deleting, started, readiness, usage, request)| PodSample {
                name: "api-0".into(),
                phase,
                deleting,
                started,
                readiness,
                usage,
                request,
            },
        )
}

/// A pod whose sample counts.
fn settled(usage: u64, request: u64) -> PodSample {
    PodSample {
        name: "api-0".into(),
        phase: PodPhase::Running,
        deleting: false,
        started: Some(Duration::ZERO),
        readiness: Some(Readiness {
            ready: true,
            since: Duration::ZERO,
        }),
        usage: Some(Usage {
            cpu: Millicores(usage),
            at: secs(60),
            window: secs(15),
        }),
        request: CpuRequest::Set(Millicores(request)),
    }
}

fn settled_pods(usage: &[u64]) -> Vec<PodSample> {
    usage.iter().map(|usage| settled(*usage, 100)).collect()
}

fn first_tick(spec: HpaSpec, pods: &[PodSample]) -> u32 {
    Autoscaler::new(spec, target())
        .tick(secs(60), pods.len() as u32, pods)
        .desired
}

proptest! {
    #[test]
    fn stays_within_its_range(
        spec in spec(),
        mut current in 1..60_u32,
        ticks in proptest::collection::vec((0..400_u64, proptest::collection::vec(pod(), 0..8)), 1..12),
    ) {
        let (min, max) = (spec.min, spec.max);
        let mut autoscaler = Autoscaler::new(spec, target());
        let mut now = Duration::ZERO;
        for (seconds, pods) in ticks {
            now += secs(seconds);
            current = autoscaler.tick(now, current, &pods).desired;
            prop_assert!((min..=max).contains(&current), "{current} is not within {min}..={max}");
        }
    }

    #[test]
    fn nothing_happens_within_the_tolerance(pods in 1..12_u32, target in 50..200_u32, percent in 91..=109_u32) {
        let spec = HpaSpec { target: self::target(), min: 1, max: 100, target_utilization: target, behavior: None };
        let pods = settled_pods(&vec![u64::from(target * percent / 100).max(u64::from(target * 9).div_ceil(10)); pods as usize]);
        prop_assert_eq!(first_tick(spec, &pods), pods.len() as u32);
    }

    #[test]
    fn more_use_never_means_fewer_replicas(
        spec in spec(),
        usage in proptest::collection::vec((0..2000_u64, 0..2000_u64), 1..12),
    ) {
        let less: Vec<_> = usage.iter().map(|(base, _)| *base).collect();
        let more: Vec<_> = usage.iter().map(|(base, extra)| base + extra).collect();
        prop_assert!(first_tick(spec.clone(), &settled_pods(&less)) <= first_tick(spec, &settled_pods(&more)));
    }

    #[test]
    fn zero_replicas_switch_it_off(spec in spec(), pods in proptest::collection::vec(pod(), 0..4)) {
        prop_assert_eq!(Autoscaler::new(spec, target()).tick(secs(60), 0, &pods).desired, 0);
    }
}
