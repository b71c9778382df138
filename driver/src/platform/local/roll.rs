//! A rolling restart as a Deployment does it: which pods may come and go now. Its figures are the manifest's. What a process
//! does when it is told to leave is its own business.

use std::collections::BTreeSet;

use lab_autoscale::manifest::{Rollout, Strategy};

use super::member::Members;

/// A rolling restart.
#[derive(Debug)]
pub(super) struct Roll {
    rollout: Rollout,
    /// The replicas that are to be replaced, by name.
    old: BTreeSet<String>,
}

/// The replicas, as a Deployment's controller counts them. Those that were told to leave are no pods of it any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pods {
    pub(super) old: u32,
    pub(super) old_ready: u32,
    pub(super) new: u32,
    pub(super) new_ready: u32,
    /// Told to leave, and not gone.
    pub(super) leaving: u32,
}

/// What may be done now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// New replicas to start.
    pub(super) start: u32,
    /// Old ones to tell to leave.
    pub(super) stop: u32,
}

impl Roll {
    pub(super) fn of(rollout: Rollout, old: impl Iterator<Item = String>) -> Self {
        Self {
            rollout,
            old: old.collect(),
        }
    }

    /// Whether it replaces this replica.
    pub(super) fn replaces(&self, name: &str) -> bool {
        self.old.contains(name)
    }

    /// The replicas that leave next, so many.
    pub(super) fn first(&self, members: &Members, count: u32) -> Vec<String> {
        let old = members.api().filter(|member| self.replaces(&member.name));
        old.take(count as usize)
            .map(|member| member.name.clone())
            .collect()
    }

    /// What may be done now (`rolloutRolling` and `rolloutRecreate` in `pkg/controller/deployment`): as many are started
    /// as the surge leaves room for, and as many leave as are available beyond what must be, new ones that are not
    /// available yet left aside.
    pub(super) fn moves(&self, pods: Pods) -> Moves {
        let replicas = self.rollout.replicas;
        match self.rollout.strategy {
            Strategy::Recreate if pods.old > 0 => Moves {
                start: 0,
                stop: pods.old,
            },
            Strategy::Recreate if pods.leaving > 0 => Moves::default(),
            Strategy::Recreate => Moves {
                start: replicas.saturating_sub(pods.new),
                stop: 0,
            },
            Strategy::Rolling {
                max_unavailable,
                max_surge,
            } => {
                let room = (replicas + max_surge).saturating_sub(pods.old + pods.new);
                let least = replicas.saturating_sub(max_unavailable);
                let spare = (pods.old_ready + pods.new_ready).saturating_sub(least);
                Moves {
                    start: replicas.saturating_sub(pods.new).min(room),
                    stop: pods.old.min(spare),
                }
            }
        }
    }
}

impl Pods {
    /// As they are.
    pub(super) fn of(roll: &Roll, members: &Members, leaving: usize) -> Self {
        let mut pods = Self {
            leaving: u32::try_from(leaving).unwrap_or(u32::MAX),
            ..Self::default()
        };
        for member in members.api() {
            let ready = u32::from(member.is_ready());
            if roll.replaces(&member.name) {
                pods.old += 1;
                pods.old_ready += ready;
            } else {
                pods.new += 1;
                pods.new_ready += ready;
            }
        }
        pods
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn roll(strategy: Strategy) -> Roll {
        let rollout = Rollout {
            replicas: 3,
            strategy,
            grace: Duration::from_secs(8),
            pre_stop: Duration::ZERO,
            first_probe: Duration::ZERO,
            probe_period: Duration::from_secs(1),
        };
        Roll::of(
            rollout,
            ["api-1", "api-2", "api-3"].map(str::to_owned).into_iter(),
        )
    }

    /// The moves of a whole restart, each new replica ready before the next step, each old one gone at once or `slow`ly.
    fn course(strategy: Strategy, slow: bool) -> Vec<(u32, u32)> {
        let roll = roll(strategy);
        let mut pods = Pods {
            old: 3,
            old_ready: 3,
            ..Pods::default()
        };
        let mut course = Vec::new();
        for _ in 0..20 {
            let moves = roll.moves(pods);
            course.push((moves.start, moves.stop));
            if moves == Moves::default() {
                // What has been started gets ready, what leaves is gone.
                if (pods.new, pods.leaving) == (pods.new_ready, 0) {
                    break;
                }
                pods.new_ready = pods.new;
                pods.leaving = if slow {
                    pods.leaving.saturating_sub(1)
                } else {
                    0
                };
                continue;
            }
            pods.new += moves.start;
            pods.old -= moves.stop;
            pods.old_ready -= moves.stop;
            pods.leaving += moves.stop;
        }
        assert_eq!((pods.old, pods.new_ready), (0, 3), "{course:?}");
        course
    }

    fn rolling(max_unavailable: u32, max_surge: u32) -> Strategy {
        Strategy::Rolling {
            max_unavailable,
            max_surge,
        }
    }

    #[test]
    fn with_a_surge_of_one_each_leaves_when_its_successor_is_ready() {
        let (wait, end) = ((0, 0), (0, 0));
        let expected = [
            (1, 0),
            wait,
            (0, 1),
            (1, 0),
            wait,
            (0, 1),
            (1, 0),
            wait,
            (0, 1),
            wait,
            end,
        ];
        assert_eq!(course(rolling(0, 1), false), expected);
    }

    #[test]
    fn without_a_surge_one_leaves_first() {
        let course = course(rolling(1, 0), false);
        assert_eq!(course[..3], [(0, 1), (1, 0), (0, 0)]);
    }

    #[test]
    fn where_all_may_lack_all_leave_at_once() {
        assert_eq!(course(rolling(3, 3), false)[0], (3, 3));
    }

    #[test]
    fn to_recreate_is_to_wait_for_the_end_of_the_last() {
        let course = course(Strategy::Recreate, true);
        assert_eq!(course[..5], [(0, 3), (0, 0), (0, 0), (0, 0), (3, 0)]);
    }
}
