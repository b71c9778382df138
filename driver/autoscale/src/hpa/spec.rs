//! What an autoscaler is told to do: the `spec` of a `HorizontalPodAutoscaler` as types in which a value
//! that the API server refuses has no place.

use std::fmt;
use std::time::Duration;

/// An amount of CPU, in thousandths of a core.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Millicores(pub u64);

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

/// The `spec` of a `HorizontalPodAutoscaler`, after the API server's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct HpaSpec {
    /// The object whose replicas it sets; a reference stays in the autoscaler's own namespace.
    pub target: ObjectRef,
    /// The fewest replicas it asks for.
    pub min: u32,
    /// The most replicas it asks for.
    pub max: u32,
    /// The CPU use that it aims at, in percent of the pods' requests.
    pub target_utilization: u32,
    /// Speed limits and memory; without them the controller's own rules hold.
    pub behavior: Option<Behavior>,
}

/// A reference to an object of the cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectRef {
    /// The namespace the object is in.
    pub namespace: String,
    /// Group and version, such as `apps/v1`.
    pub api_version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The object's name.
    pub name: String,
}

impl ObjectRef {
    /// Whether both name one object. As the controller does, this compares the API group, not the version.
    pub fn is_same(&self, other: &Self) -> bool {
        self.group() == other.group()
            && (&self.namespace, &self.kind, &self.name)
                == (&other.namespace, &other.kind, &other.name)
    }

    fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} `{}` in namespace `{}`",
            self.api_version, self.kind, self.name, self.namespace
        )
    }
}

/// The rules of both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// How it may add replicas.
    pub scale_up: ScalingRules,
    /// How it may remove replicas.
    pub scale_down: ScalingRules,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// How long past recommendations count; `None` takes the controller's own window.
    pub stabilization: Option<Duration>,
    /// Which of the policies decides.
    pub select: SelectPolicy,
    /// How much may change in how long.
    pub policies: Vec<Policy>,
    /// How far the use may be from the target without a change; `None` takes the controller's.
    pub tolerance: Option<f64>,
}

impl ScalingRules {
    /// What the API server puts for a missing `scaleUp` (`pkg/apis/autoscaling/v2/defaults.go`): four pods
    /// or twice as many every 15 s, whichever is more, at once.
    pub fn default_scale_up() -> Self {
        let period = Duration::from_secs(15);
        Self {
            stabilization: Some(Duration::ZERO),
            select: SelectPolicy::Max,
            policies: vec![
                Policy {
                    change: Change::Pods(4),
                    period,
                },
                Policy {
                    change: Change::Percent(100),
                    period,
                },
            ],
            tolerance: None,
        }
    }

    /// What the API server puts for a missing `scaleDown` (same source): no limit of speed, and the window
    /// of the controller, which is a flag of it.
    pub fn default_scale_down() -> Self {
        Self {
            stabilization: None,
            select: SelectPolicy::Max,
            policies: vec![Policy {
                change: Change::Percent(100),
                period: Duration::from_secs(15),
            }],
            tolerance: None,
        }
    }
}

/// Which policy decides when there are several.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// How much may change in how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The largest change within the period.
    pub change: Change,
    /// The time that it is counted over.
    pub period: Duration,
}

/// A change of the replica count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// So many pods.
    Pods(u32),
    /// So many percent of the replicas at the period's start.
    Percent(u32),
}
