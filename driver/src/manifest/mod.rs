//! Reads the manifests of step 4 as strictly as a cluster would, and more clearly: what Kubernetes has no
//! field for, or would refuse, is an error that names the file, the line, the field and the next step.
//! What comes out is the little that the autoscaling scenario needs, or the objects for a cluster.

mod deployment;
mod error;
mod file;
mod hpa;
mod objects;
mod outline;
mod quantity;
mod strict;

pub use deployment::{ApiDeployment, parse_deployment};
pub use error::{FieldPath, ManifestError, Problem, Step};
pub use file::ManifestFile;
pub use hpa::parse_hpa;
pub use objects::read_objects;
pub use quantity::{Quantity, QuantityError};

#[cfg(test)]
mod tests;
