//! The api's Deployment, as far as autoscaling depends on it.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::strict::Manifest;
use super::{FieldPath, ManifestError};
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
    let manifest: Manifest<'_, Deployment> = Manifest::parse(file, text)?;
    let required = |field: &str| manifest.refused(FieldPath::new(field), "is missing");

    let metadata = &manifest.object.metadata;
    let name = metadata
        .name
        .clone()
        .ok_or_else(|| required("metadata.name"))?;
    let namespace = metadata
        .namespace
        .clone()
        .unwrap_or_else(|| "default".into());
    let spec = manifest
        .object
        .spec
        .as_ref()
        .ok_or_else(|| required("spec"))?;
    let replicas = manifest.number("spec.replicas", spec.replicas.unwrap_or(1), 0..=u32::MAX)?;
    check_selector(
        &manifest,
        spec.selector.match_labels.as_ref(),
        &spec.template,
    )?;

    let pod = spec
        .template
        .spec
        .as_ref()
        .ok_or_else(|| required("spec.template.spec"))?;
    let (request, cpu_limit) = cpu(&manifest, pod)?;
    Ok(ApiDeployment {
        namespace,
        name,
        replicas,
        paused: spec.paused.unwrap_or(false),
        request,
        cpu_limit,
    })
}

/// The API server refuses a Deployment that does not select its own pods.
fn check_selector(
    manifest: &Manifest<'_, Deployment>,
    wanted: Option<&BTreeMap<String, String>>,
    template: &k8s_openapi::api::core::v1::PodTemplateSpec,
) -> Result<(), ManifestError> {
    let labels = template
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.labels.as_ref());
    let matches = |(key, value): (&String, &String)| {
        labels.is_some_and(|labels| labels.get(key) == Some(value))
    };
    if wanted.is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(matches)) {
        return Ok(());
    }
    Err(manifest.refused(
        FieldPath::new("spec.selector.matchLabels"),
        "must be among the labels in spec.template.metadata.labels",
    ))
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
    for (field, container) in budgeted(&at, pod) {
        let cpu = ContainerCpu::of(manifest, &field, container)?;
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
        manifest.refused(
            at.keys("containers"),
            format!("has no container named `{API}`; keep that name"),
        )
    })?;
    Ok((request, limit))
}

/// The containers whose requests make up the pod's: those that run for as long as the pod does.
fn budgeted<'a>(at: &FieldPath, pod: &'a PodSpec) -> Vec<(FieldPath, &'a Container)> {
    let place = |list: &'static str| {
        let list = at.keys(list);
        move |(index, container): (usize, &'a Container)| (list.index(index), container)
    };
    let sidecars = pod
        .init_containers
        .iter()
        .flatten()
        .enumerate()
        .map(place("initContainers"));
    let sidecars =
        sidecars.filter(|(_, container)| container.restart_policy.as_deref() == Some("Always"));
    pod.containers
        .iter()
        .enumerate()
        .map(place("containers"))
        .chain(sidecars)
        .collect()
}

/// The CPU budget of one container.
struct ContainerCpu {
    request: Option<Millicores>,
    limit: Option<Millicores>,
}

impl ContainerCpu {
    /// With a missing request filled in from the limit, as the API server does for a pod (`SetDefaults_Pod`
    /// in `pkg/apis/core/v1/defaults.go`); a request of 0 is not missing.
    fn of(
        manifest: &Manifest<'_, Deployment>,
        at: &FieldPath,
        container: &Container,
    ) -> Result<Self, ManifestError> {
        let resources = container.resources.as_ref();
        let cpu = |list: &str, amounts: Option<&BTreeMap<String, Quantity>>| {
            let field = || at.keys("resources").keys(list).keys("cpu");
            let amount = amounts.and_then(|amounts| amounts.get("cpu"));
            amount
                .map(|Quantity(text)| Ok(manifest.quantity(field(), text)?.millicores()))
                .transpose()
        };
        let limit = cpu(
            "limits",
            resources.and_then(|resources| resources.limits.as_ref()),
        )?;
        let request = cpu(
            "requests",
            resources.and_then(|resources| resources.requests.as_ref()),
        )?;
        if let (Some(asked), Some(most)) = (request, limit)
            && asked > most
        {
            let rule =
                format!("is {asked}, more than the limit of {most}; a container can never get it");
            return Err(manifest.refused(at.keys("resources.requests.cpu"), rule));
        }
        Ok(Self {
            request: request.or(limit),
            limit,
        })
    }
}
