//! The provider that payments are charged at: `dep`, as the case of step 5 asks it.

use std::time::Duration;

use tokio::time::timeout;

use crate::dep::{Dep, Receipt};
use crate::failure::Failure;

/// How long a try waits for its answer: a dozen times what the provider takes for one.
const PATIENCE: Duration = Duration::from_millis(500);

/// The provider.
#[derive(Clone, Debug)]
pub struct Provider {
    dep: Dep,
}

impl Provider {
    /// The provider that `dep` is.
    pub(crate) fn new(dep: Dep) -> Self {
        Self { dep }
    }

    /// Charges the payment `key`: one try. It fails where there is no answer within 500 ms; the provider does not hear of
    /// that, and charges all the same when its turn comes. A key is charged once, however often it comes.
    pub async fn charge(&self, key: &str) -> Result<Receipt, Failure> {
        Ok(timeout(PATIENCE, self.dep.receipt(key)).await??)
    }
}
