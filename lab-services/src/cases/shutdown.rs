//! Step 6: what a replica does between SIGTERM and its end.

use crate::replica::Replica;

// LAB: STEP6 TODO
// Once this returns the process is gone: its port, the requests under way, the orders that it has accepted.
// Callers learn that it leaves from a list, and the list is up to two seconds behind. What happens to whoever
// still comes, to whoever waits for an answer, and to whoever was told that their order is accepted?
// Kubernetes kills what is still there after `terminationGracePeriodSeconds`, see deploy/k8s/api-roll.yaml.

/// Leaves.
pub async fn leave(_replica: &Replica) {}
