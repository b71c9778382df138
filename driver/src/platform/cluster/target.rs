//! Load from inside the cluster on a service of somebody's: the load pods are all that a run makes.

use std::{collections::BTreeMap, io};

use super::{ClusterPlatform, Leftover, supervisor};
use crate::platform::{
    Error as PlatformError, Load, Platform, Stack, StackSpec, Starting,
    target::{self, Base},
};

/// A service that is reached from inside a cluster, by a name that means something there.
#[derive(Clone, Debug)]
pub struct ClusterTarget {
    cluster: ClusterPlatform,
    base: Base,
}

impl ClusterTarget {
    /// The service at `base`, as the pods of `cluster` see it.
    pub fn new(cluster: ClusterPlatform, base: Base) -> Self {
        Self { cluster, base }
    }

    async fn start(
        &self,
        spec: &StackSpec,
        leftover: &mut Leftover,
    ) -> Result<Stack, PlatformError> {
        let (fleet, pods, claim) = supervisor::load_pods(&self.cluster, spec, leftover).await?;
        let found = pods.find(&self.base.host, self.base.port).await;
        let found = found.map_err(|text| self.base.unreachable(&io::Error::other(text)))?;
        let (first, targets) = self.base.endpoints(&found, None)?;
        let way = pods.gateway.to(&first);
        let mut leftover = leftover.hand_over();
        let end = async move {
            pods.end().await;
            // Nobody renews what is about to be removed.
            drop(claim);
            leftover.remove().await?;
            Ok(())
        };
        Ok(target::stack(
            Load::Pods { fleet, targets },
            &way,
            found,
            end,
        ))
    }
}

impl Platform for ClusterTarget {
    fn name(&self) -> &'static str {
        "target"
    }

    fn versions(&self) -> BTreeMap<String, String> {
        let mut versions = self.cluster.versions();
        versions.insert("target".to_owned(), self.base.url.clone());
        versions
    }

    fn scaling(&self) -> String {
        "nothing is scaled".to_owned()
    }

    fn is_sent_from_here(&self) -> bool {
        false
    }

    fn start<'a>(&'a self, spec: &'a StackSpec) -> Starting<'a> {
        Box::pin(async move {
            let mut leftover = Leftover::none();
            self.start(spec, &mut leftover).await
        })
    }
}
