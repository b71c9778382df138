//! The settings of the cluster that all its autoscalers share.

use std::time::Duration;

/// What the cluster's administrator sets, with the defaults of kube-controller-manager's flags.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller {
    /// `--horizontal-pod-autoscaler-tolerance`
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`
    pub cpu_initialization_period: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`
    pub initial_readiness_delay: Duration,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`
    pub downscale_stabilization: Duration,
}

impl Default for Controller {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            cpu_initialization_period: Duration::from_mins(5),
            initial_readiness_delay: Duration::from_secs(30),
            downscale_stabilization: Duration::from_mins(5),
        }
    }
}
