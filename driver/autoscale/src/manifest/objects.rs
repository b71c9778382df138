//! A file of manifests as the objects that a cluster is to have.

use std::path::Path;

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v1;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::rules::Refusal;
use super::strict::{self, Manifest};
use super::yaml::Node;
use super::{FieldPath, ManifestError, hpa};

/// Reads every object in `file`, as strictly as the others: an unknown field is an error.
pub fn read_objects(file: &Path) -> Result<Vec<Value>, ManifestError> {
    parse_objects(file, &strict::read(file)?)
}

/// The same of `text`; `file` is for the messages.
pub(super) fn parse_objects(file: &Path, text: &str) -> Result<Vec<Value>, ManifestError> {
    let documents = strict::documents(file, text)?.into_iter();
    documents.map(|document| object(file, document)).collect()
}

fn object(file: &Path, document: Node) -> Result<Value, ManifestError> {
    match document.text("kind").unwrap_or_default() {
        Namespace::KIND => of::<Namespace>(file, document),
        Secret::KIND => of::<Secret>(file, document),
        Service::KIND => of::<Service>(file, document),
        Job::KIND => of::<Job>(file, document),
        StatefulSet::KIND => of::<StatefulSet>(file, document),
        HorizontalPodAutoscaler::KIND if hpa::is_v1(&document) => {
            of::<v1::HorizontalPodAutoscaler>(file, document)
        }
        HorizontalPodAutoscaler::KIND => of::<HorizontalPodAutoscaler>(file, document),
        ServiceAccount::KIND => of::<ServiceAccount>(file, document),
        ClusterRole::KIND => of::<ClusterRole>(file, document),
        ClusterRoleBinding::KIND => of::<ClusterRoleBinding>(file, document),
        Role::KIND => of::<Role>(file, document),
        RoleBinding::KIND => of::<RoleBinding>(file, document),
        NetworkPolicy::KIND => of::<NetworkPolicy>(file, document),
        APIService::KIND => of::<APIService>(file, document),
        // What has another kind, or none, is refused as not being a Deployment.
        _ => of::<Deployment>(file, document),
    }
}

fn of<T: DeserializeOwned + Serialize + Resource>(
    file: &Path,
    document: Node,
) -> Result<Value, ManifestError> {
    let manifest: Manifest<'_, T> = Manifest::of(file, document)?;
    serde_json::to_value(&manifest.object).map_err(|error| {
        manifest.refused(Refusal {
            field: FieldPath::default(),
            rule: format!("the object can't be sent: {error}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_second_document_has_its_line_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("two.yaml");
        std::fs::write(
            &file,
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n---\napiVersion: v1\n\
             kind: Namespace\nmetadata:\n  nam: b\n",
        )
        .unwrap();
        let error = read_objects(&file).unwrap_err().to_string();
        assert!(error.contains("two.yaml:9"), "{error}");
    }
}
