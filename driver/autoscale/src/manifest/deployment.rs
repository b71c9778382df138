//! The api's Deployment, as far as autoscaling depends on it.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::rules::{self, Refusal};
use super::strict::{self, Manifest};
use super::{FieldPath, ManifestError, Quantity};
use crate::hpa::{CpuRequest, Millicores, ObjectRef};

/// The container that runs the api.
const API: &str = "api";

/// The api's Deployment, after the API server's defaults.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiDeployment {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name, which the autoscaler refers to.
    pub name: String,
    /// The replicas that it asks for.
    pub replicas: u32,
    /// Whether it is paused.
    pub paused: bool,
    /// What a pod requests: a missing request is the limit; an explicit 0 stays 0.
    pub request: CpuRequest,
    /// The limit of the api's container; `None` is no limit.
    pub cpu_limit: Option<Millicores>,
}

impl ApiDeployment {
    /// What a pod requests, unless a container has neither request nor limit.
    pub fn cpu_request(&self) -> Option<Millicores> {
        match self.request {
            CpuRequest::Set(cpu) => Some(cpu),
            CpuRequest::Missing { .. } => None,
        }
    }

    /// Why Kubernetes makes no pod of it, for good; none where it makes some.
    pub fn no_pods(&self) -> Option<&'static str> {
        if self.paused {
            Some(
                "spec.paused is true, and Kubernetes makes no pod of a Deployment that is paused from \
                 its beginning; take that line out",
            )
        } else if self.replicas == 0 {
            Some(
                "spec.replicas is 0, which makes no pod and switches the autoscaler off; take that \
                 line out",
            )
        } else {
            None
        }
    }

    /// What an autoscaler's `scaleTargetRef` has to name.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            namespace: self.namespace.clone(),
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            name: self.name.clone(),
        }
    }
}

/// Reads the Deployment in `text`; `file` is for the messages.
pub fn parse_deployment(file: &Path, text: &str) -> Result<ApiDeployment, ManifestError> {
    let manifest: Manifest<'_, Deployment> = Manifest::of(file, strict::document(file, text)?)?;
    let object = &manifest.object;
    rules::deployment(object).map_err(|refusal| manifest.refused(refusal))?;
    let spec = object.spec.clone().unwrap_or_default();
    let (request, cpu_limit) = cpu(&manifest, &spec.template.spec.unwrap_or_default())?;
    let metadata = &object.metadata;
    Ok(ApiDeployment {
        namespace: namespace(metadata),
        name: metadata.name.clone().unwrap_or_default(),
        replicas: spec.replicas.unwrap_or(1).unsigned_abs(),
        paused: spec.paused.unwrap_or(false),
        request,
        cpu_limit,
    })
}

/// The namespace of an object: `default` where it names none.
pub(super) fn namespace(metadata: &ObjectMeta) -> String {
    let given = metadata.namespace.clone();
    given
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "default".into())
}

/// The pod's request and the api container's limit.
fn cpu(
    manifest: &Manifest<'_, Deployment>,
    pod: &PodSpec,
) -> Result<(CpuRequest, Option<Millicores>), ManifestError> {
    let at = FieldPath::new("spec.template.spec");
    if pod.resources.is_some() {
        let instead = "set the resources of the container";
        return Err(manifest.not_modelled(
            at.keys("resources"),
            "a budget for the whole pod",
            instead,
        ));
    }

    let mut request = CpuRequest::Set(Millicores(0));
    let mut api = None;
    for container in lasting(pod) {
        let cpu = ContainerCpu::of(container);
        request = match (request, cpu.request) {
            (CpuRequest::Set(sum), Some(cpu)) => {
                CpuRequest::Set(Millicores(sum.0.saturating_add(cpu.0)))
            }
            (CpuRequest::Set(_), None) => CpuRequest::Missing {
                container: container.name.clone(),
            },
            (missing, _) => missing,
        };
        if container.name == API {
            api = Some(cpu.limit);
        }
    }
    let limit = api.ok_or_else(|| {
        manifest.refused(Refusal {
            field: at.keys("containers"),
            rule: format!("has no container named `{API}`; keep that name"),
        })
    })?;
    Ok((request, limit))
}

/// The containers whose requests make up the pod's: those that run for as long as the pod does.
fn lasting(pod: &PodSpec) -> impl Iterator<Item = &Container> {
    let sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = pod.init_containers.iter().flatten().filter(sidecar);
    pod.containers.iter().chain(sidecars)
}

/// The CPU budget of one container.
struct ContainerCpu {
    request: Option<Millicores>,
    limit: Option<Millicores>,
}

impl ContainerCpu {
    /// With a missing request filled in from the limit, as the API server does for a pod (`SetDefaults_Pod`
    /// in `pkg/apis/core/v1/defaults.go`); a request of 0 is not missing.
    fn of(container: &Container) -> Self {
        let cpu = |amounts: Option<&BTreeMap<String, Amount>>| {
            let amount = amounts?.get("cpu")?.0.parse::<Quantity>().ok()?;
            Some(amount.millicores())
        };
        let resources = container.resources.as_ref();
        let limit = cpu(resources.and_then(|resources| resources.limits.as_ref()));
        let request = cpu(resources.and_then(|resources| resources.requests.as_ref()));
        Self {
            request: request.or(limit),
            limit,
        }
    }
}
