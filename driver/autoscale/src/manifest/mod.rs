//! Reads the manifests of steps 4 and 6 as a cluster would (`kubectl apply --dry-run=server --validate=strict`), and says
//! more clearly what is wrong: file, line, field and the next step. What comes out is the little that the
//! scenarios need, or the objects for a cluster.
//!
//! A file goes through the rooms in this order: `yaml` makes a tree of its text, `shape` one of Kubernetes' types
//! of the tree, `rules` holds it against what the API server refuses, and `deployment`, `rollout` and `hpa` take
//! what is modelled. `strict` joins the first two and knows the lines.

mod deployment;
mod error;
mod file;
mod hpa;
mod objects;
mod quantity;
mod rollout;
mod rules;
mod shape;
mod strict;
mod yaml;

pub use deployment::{ApiDeployment, parse_deployment};
pub use error::{FieldPath, ManifestError, Problem, Step};
pub use file::ManifestFile;
pub use hpa::parse_hpa;
pub use objects::read_objects;
pub use quantity::{Quantity, QuantityError};
pub use rollout::{Rollout, Strategy, parse_rollout};

#[cfg(test)]
mod tests;
