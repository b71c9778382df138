//! Runs the vectors of `golden.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::limit::{History, Range, Stamped};
use super::pod::Groups;
use super::proposal::{Proposal, Tolerance, propose};
use super::*;

const NOW: Duration = Duration::from_hours(2);

/// What Kubernetes' tests set.
fn controller() -> Controller {
    Controller {
        cpu_initialization_period: Duration::from_mins(2),
        initial_readiness_delay: Duration::from_secs(10),
        ..Controller::default()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    proposal: Vec<ProposalVector>,
    grouping: Vec<GroupingVector>,
    speed: Vec<SpeedVector>,
    memory: Vec<MemoryVector>,
    tick: Vec<TickVector>,
}

fn golden() -> Golden {
    toml::from_str(include_str!("golden.toml")).unwrap()
}

#[test]
fn there_are_enough() {
    let Golden {
        proposal,
        grouping,
        speed,
        memory,
        tick,
    } = golden();
    assert!(proposal.len() + grouping.len() + speed.len() + memory.len() + tick.len() >= 120);
}

/// A pod as Kubernetes' tests describe theirs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Pod {
    #[serde(rename = "use")]
    usage: Option<u64>,
    request: u64,
    state: PodState,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum PodState {
    /// Ready for long.
    #[default]
    Ready,
    /// Never ready.
    Unready,
    /// Just started.
    Hot,
    /// Just started and not ready.
    HotUnready,
    Pending,
    Failed,
    Deleted,
    /// Ready, without a request.
    NoRequest,
}

impl Default for Pod {
    fn default() -> Self {
        Self {
            usage: None,
            request: 1000,
            state: PodState::Ready,
        }
    }
}

impl Pod {
    fn sample(&self) -> PodSample {
        use PodState::{Deleted, Failed, Hot, HotUnready, NoRequest, Pending, Unready};
        PodSample {
            name: "test-pod".into(),
            phase: match self.state {
                Pending => PodPhase::Pending,
                Failed => PodPhase::Failed,
                _ => PodPhase::Running,
            },
            deleting: self.state == Deleted,
            started: Some(if matches!(self.state, Hot | HotUnready) {
                NOW
            } else {
                Duration::ZERO
            }),
            readiness: Some(Readiness {
                ready: !matches!(self.state, Unready | HotUnready),
                since: Duration::ZERO,
            }),
            usage: self.usage.map(|usage| Usage {
                cpu: Millicores(usage),
                at: Duration::ZERO,
                window: Duration::from_mins(1),
            }),
            request: match self.state {
                NoRequest => CpuRequest::Missing {
                    container: "container1".into(),
                },
                _ => CpuRequest::Set(Millicores(self.request)),
            },
        }
    }
}

fn samples(pods: &[Pod]) -> Vec<PodSample> {
    pods.iter().map(Pod::sample).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposalVector {
    source: String,
    current: u32,
    target: u32,
    tolerance: Option<ToleranceVector>,
    pods: Vec<Pod>,
    replicas: Option<u32>,
    utilization: Option<i32>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceVector {
    down: f64,
    up: f64,
}

#[test]
fn proposals() {
    for vector in golden().proposal {
        let tolerance = vector.tolerance.map_or(
            Tolerance { down: 0.1, up: 0.1 },
            |ToleranceVector { down, up }| Tolerance { down, up },
        );
        let found = propose(
            &samples(&vector.pods),
            vector.current,
            vector.target,
            tolerance,
            &controller(),
            NOW,
        );
        if let Some(error) = vector.error {
            let found = format!("{:?}", found.unwrap_err());
            assert!(found.starts_with(&error), "{}: {found}", vector.source);
        } else {
            let expected = Proposal {
                replicas: vector.replicas.unwrap(),
                utilization: vector.utilization.unwrap(),
            };
            assert_eq!(found, Ok(expected), "{}", vector.source);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupingVector {
    source: String,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    deleting: bool,
    started_ago: Option<u64>,
    ready: Option<bool>,
    since_ago: Option<u64>,
    sample_ago: Option<u64>,
    window: Option<u64>,
    group: String,
}

#[test]
fn groupings() {
    for vector in golden().grouping {
        let pod = PodSample {
            name: "bentham".into(),
            phase: match vector.phase.as_deref() {
                Some("pending") => PodPhase::Pending,
                Some("failed") => PodPhase::Failed,
                _ => PodPhase::Running,
            },
            deleting: vector.deleting,
            started: vector.started_ago.map(ago),
            readiness: vector.ready.map(|ready| Readiness {
                ready,
                since: ago(vector.since_ago.unwrap()),
            }),
            usage: vector.sample_ago.map(|sample| Usage {
                cpu: Millicores(1),
                at: ago(sample),
                window: Duration::from_secs(vector.window.unwrap()),
            }),
            request: CpuRequest::Set(Millicores(1)),
        };
        let pods = [pod];
        let groups = Groups::of(&pods, &controller(), NOW);
        let found = match (
            groups.counted.len(),
            groups.unready.len(),
            groups.missing.len(),
        ) {
            (1, 0, 0) => "counted",
            (0, 1, 0) => "unready",
            (0, 0, 1) => "missing",
            _ => "ignored",
        };
        assert_eq!(found, vector.group, "{}", vector.source);
    }
}

fn ago(seconds: u64) -> Duration {
    NOW.checked_sub(Duration::from_secs(seconds)).unwrap()
}

/// Values with their ages in seconds.
type Past = Vec<(u32, u64)>;

fn stamped(past: &Past) -> Vec<Stamped> {
    past.iter()
        .map(|(value, seconds)| Stamped {
            value: *value,
            at: ago(*seconds),
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    pods: Option<PolicyVector>,
    percent: Option<PolicyVector>,
    window: Option<u64>,
    select: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyVector {
    value: u32,
    period: u64,
}

impl Rules {
    fn rules(&self) -> ScalingRules {
        let policy = |policy: &Option<PolicyVector>, change: fn(u32) -> Change| {
            let PolicyVector { value, period } = policy.as_ref()?;
            Some(Policy {
                change: change(*value),
                period: Duration::from_secs(*period),
            })
        };
        ScalingRules {
            stabilization: Some(Duration::from_secs(self.window.unwrap_or_default())),
            select: match self.select.as_deref() {
                Some("Min") => SelectPolicy::Min,
                Some("Disabled") => SelectPolicy::Disabled,
                _ => SelectPolicy::Max,
            },
            policies: [
                policy(&self.pods, Change::Pods),
                policy(&self.percent, Change::Percent),
            ]
            .into_iter()
            .flatten()
            .collect(),
            tolerance: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpeedVector {
    source: String,
    min: u32,
    max: u32,
    current: u32,
    desired: u32,
    #[serde(default = "yes")]
    behavior: bool,
    up: Option<Rules>,
    down: Option<Rules>,
    #[serde(default)]
    added: Past,
    #[serde(default)]
    removed: Past,
    replicas: u32,
    reason: String,
}

fn yes() -> bool {
    true
}

#[test]
fn speeds() {
    for vector in golden().speed {
        let range = Range {
            min: vector.min,
            max: vector.max,
            current: vector.current,
            desired: vector.desired,
        };
        let history = History {
            added: stamped(&vector.added),
            removed: stamped(&vector.removed),
            ..History::default()
        };
        let up = vector
            .up
            .map_or_else(ScalingRules::default_scale_up, |up| up.rules());
        let down = vector
            .down
            .map_or_else(ScalingRules::default_scale_down, |down| down.rules());
        let (replicas, reason) = if vector.behavior {
            history.limit(range, &up, &down, NOW)
        } else {
            range.limit()
        };
        assert_eq!(
            (replicas, reason.to_string()),
            (vector.replicas, vector.reason),
            "{}",
            vector.source
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryVector {
    source: String,
    recommendations: Past,
    desired: u32,
    behavior: Option<Windows>,
    replicas: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Windows {
    current: u32,
    up: u64,
    down: u64,
}

#[test]
fn memories() {
    for vector in golden().memory {
        let mut history = History {
            recommendations: stamped(&vector.recommendations),
            ..History::default()
        };
        let seconds = Duration::from_secs;
        let replicas = match vector.behavior {
            None => history.stabilize_down(vector.desired, seconds(300), NOW),
            Some(Windows { current, up, down }) => {
                history.stabilize(current, vector.desired, seconds(up), seconds(down), NOW)
            }
        };
        assert_eq!(replicas, vector.replicas, "{}", vector.source);
        assert_eq!(
            history.recommendations.last().unwrap().value,
            vector.desired,
            "{}",
            vector.source
        );
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TickVector {
    source: String,
    min: u32,
    max: u32,
    current: u32,
    target: u32,
    pods: Vec<Pod>,
    /// Empty: a memory without the current count in it.
    recommendations: Option<Past>,
    up: Option<Rules>,
    replicas: u32,
    reasons: Vec<String>,
}

#[test]
fn ticks() {
    for vector in golden().tick {
        let name = |name: &str| ObjectRef {
            namespace: "test-namespace".into(),
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            name: name.into(),
        };
        let behavior = vector.up.map(|up| Behavior {
            scale_up: up.rules(),
            scale_down: ScalingRules::default_scale_down(),
        });
        let (min, max, target_utilization) = (vector.min, vector.max, vector.target);
        let spec = HpaSpec {
            target: name("test-dep"),
            min,
            max,
            target_utilization,
            behavior,
        };
        let mut autoscaler = Autoscaler::with_controller(spec, name("test-dep"), controller());
        if let Some(past) = vector.recommendations {
            autoscaler.remember(stamped(&past));
        }
        let decision = autoscaler.tick(NOW, vector.current, &samples(&vector.pods));
        assert_eq!(
            decision.desired, vector.replicas,
            "{}: {}",
            vector.source, decision.reason
        );
        let reasons: Vec<_> = decision
            .conditions
            .iter()
            .map(|condition| condition.reason.to_string())
            .collect();
        assert_eq!(reasons, vector.reasons, "{}", vector.source);
    }
}

/// What a change leaves behind (`TestStoreScaleEvents`): later ticks count it, and forget it when the
/// longest policy's period is over.
#[test]
fn changes_are_counted_and_forgotten() {
    let seconds = Duration::from_secs;
    let policy = |change, period| Policy {
        change,
        period: seconds(period),
    };
    let policies = vec![
        policy(Change::Pods(10), 60),
        policy(Change::Percent(100), 30),
    ];
    let rules = ScalingRules {
        policies,
        ..ScalingRules::default_scale_up()
    };
    let mut history = History {
        added: stamped(&vec![(8, 29), (6, 59), (7, 61), (9, 61)]),
        ..History::default()
    };
    history.record(10, 15, &rules, NOW);
    let left: Vec<_> = history.added.iter().map(|event| event.value).collect();
    assert_eq!(left, [8, 6, 5]);
}
