//! A file of manifests, read once: what is judged, run and recorded is this text, whatever is saved meanwhile.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    ApiDeployment, ManifestError, Rollout, objects::parse_objects, parse_deployment, parse_hpa,
    parse_rollout, strict,
};
use crate::hpa::HpaSpec;

/// The file and its text.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    /// Where it was, for messages.
    pub path: PathBuf,
    /// What stood in it.
    pub text: String,
}

impl ManifestFile {
    /// Reads it.
    pub fn read(path: PathBuf) -> Result<Self, ManifestError> {
        let text = strict::read(&path)?;
        Ok(Self { path, text })
    }

    /// The Deployment in it.
    pub fn deployment(&self) -> Result<ApiDeployment, ManifestError> {
        parse_deployment(&self.path, &self.text)
    }

    /// How the Deployment in it replaces its pods.
    pub fn rollout(&self) -> Result<Rollout, ManifestError> {
        parse_rollout(&self.path, &self.text)
    }

    /// The autoscaler in it.
    pub fn hpa(&self) -> Result<HpaSpec, ManifestError> {
        parse_hpa(&self.path, &self.text)
    }

    /// Every object in it, as a cluster is to have it.
    pub fn objects(&self) -> Result<Vec<Value>, ManifestError> {
        parse_objects(&self.path, &self.text)
    }
}
