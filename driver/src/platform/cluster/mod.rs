//! The platform that is a Kubernetes cluster: k3d's of the workshop, or any other by its context. It
//! needs `kubectl` and nothing else: what that can reach and may do, the workshop can.
//!
//! Every run gets fresh objects in the namespace `lab-run`, and they go when it ends. The load comes from pods of the
//! run ([`load`]), which send it to the services' pods directly; the driver commands them over one stream each, and
//! has its own few requests passed on by the first of them ([`gateway`]).

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use super::{Platform, Stack, StackSpec, Starting};
use crate::manifest::ManifestError;

mod gateway;
mod kubectl;
mod load;
mod objects;
mod reader;
mod state;
mod supervisor;
mod target;

use kubectl::Kubectl;
pub use kubectl::KubectlError;
pub use target::ClusterTarget;

/// The context of the cluster that `make up PLATFORM=k3d` makes.
pub const K3D_CONTEXT: &str = "k3d-lab";

/// Why a stack did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A command failed.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// The API can't be reached through `kubectl`.
    #[error("`kubectl proxy` does not run: {0}; try `kubectl get nodes`")]
    Proxy(String),
    /// The API server does not answer.
    #[error("the cluster's API does not answer at {path}: {source}")]
    Api {
        /// What was asked for.
        path: String,
        /// What happened.
        source: reqwest::Error,
    },
    /// A pod will not get ready.
    #[error("pod {pod}: {text}")]
    Stuck {
        /// Which.
        pod: String,
        /// Why, and what to do.
        text: String,
    },
    /// They don't get ready, and nothing says why.
    #[error(
        "not ready within {} s: {missing}; `kubectl -n lab-run get pods,events` says more",
        .within.as_secs()
    )]
    Late {
        /// The services that are missing.
        missing: String,
        /// How long they had.
        within: Duration,
    },
    /// The pods of the run before stay.
    #[error(
        "the pods of the run before do not end; `kubectl -n lab-run get pods` shows them, \
         `kubectl delete namespace lab-run` removes them all"
    )]
    Leftovers,
    /// No figures of CPU use.
    #[error(
        "the cluster has no CPU figures for the pods, which an autoscaler needs: `kubectl top pods -n lab-run` \
         must work; `kubectl apply -f deploy/k8s/metrics-server.yaml` installs metrics-server"
    )]
    NoMetrics,
    /// The image is not of today's code.
    #[error(
        "the image runs another {file} than the one in this folder; `make image PLATFORM=k3d` builds and \
         loads it, and where IMAGE names one in a registry, build and push it again"
    )]
    OtherCode {
        /// The file that differs.
        file: String,
    },
    /// The load pods can't be used.
    #[error(transparent)]
    Load(#[from] lab_remote::Error),
    /// A pod of the run is not reached from the load pod.
    #[error(
        "{pod} is ready, but the load pod does not reach it: {text}; does a NetworkPolicy of the cluster keep the \
         pods of lab-run apart?"
    )]
    Unreached {
        /// Which.
        pod: String,
        /// What happens.
        text: String,
    },
    /// No port of this machine.
    #[error("cannot listen on 127.0.0.1 for the driver's own requests: {0}")]
    Gateway(#[source] io::Error),
    /// The client can't be made.
    #[error("cannot make an HTTP client: {0}")]
    Http(#[source] reqwest::Error),
    /// No random numbers from the system.
    #[error("cannot make a password for the database: {0}")]
    Password(#[source] io::Error),
    /// No temporary folder.
    #[error("cannot make a temporary folder: {0}")]
    Folder(#[source] io::Error),
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct ClusterPlatform {
    root: PathBuf,
    kubectl: Kubectl,
    image: Option<String>,
    version: String,
}

impl ClusterPlatform {
    /// The cluster of `context`, for the project at `root`; `image` in place of the manifests' own.
    pub async fn connect(
        root: &Path,
        context: &str,
        image: Option<String>,
    ) -> Result<Self, KubectlError> {
        let kubectl = Kubectl {
            context: context.to_owned(),
        };
        let version = kubectl
            .ask(&["get", "--raw", "/version", "--request-timeout=10s"])
            .await?;
        let version: serde_json::Value = serde_json::from_str(&version).unwrap_or_default();
        Ok(Self {
            root: root.to_owned(),
            kubectl,
            image,
            version: version["gitVersion"]
                .as_str()
                .unwrap_or("unknown")
                .to_owned(),
        })
    }
}

impl Platform for ClusterPlatform {
    fn name(&self) -> &'static str {
        if self.kubectl.context.starts_with("k3d-") {
            "k3d"
        } else {
            "kubernetes"
        }
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("kubernetes".to_owned(), self.version.clone())])
    }

    fn scaling(&self) -> String {
        format!(
            "the kernel limits each pod's CPU, and the autoscaler is that of Kubernetes {}",
            self.version
        )
    }

    fn start<'a>(&'a self, spec: &'a StackSpec) -> Starting<'a> {
        Box::pin(async move {
            let mut leftover = Leftover(Some(self.kubectl.context.clone()));
            let started = supervisor::start(self, spec, &mut leftover).await;
            Ok::<Stack, super::Error>(started?)
        })
    }
}

/// The objects of a run that nobody has removed yet. Dropped, it has them removed in the background:
/// the run was given up while they were being made.
struct Leftover(Option<String>);

impl Leftover {
    /// Somebody else removes them from now on.
    fn hand_over(&mut self) -> Self {
        Self(self.0.take())
    }

    /// They are removed.
    fn settled(mut self) {
        self.0 = None;
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let Some(context) = self.0.take() else { return };
        let mut command = std::process::Command::new("kubectl");
        command.arg(format!("--context={context}"));
        command.args(removal(false)).stdin(Stdio::null());
        // What stays, the next run removes before it begins.
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }
}

/// The arguments that remove all objects of a run.
fn removal(wait: bool) -> Vec<String> {
    let (key, value) = objects::LABEL;
    let (wait, selector) = (
        format!("--wait={wait}"),
        format!("--selector={key}={value}"),
    );
    let namespace = format!("--namespace={}", objects::NAMESPACE);
    [
        "delete",
        "jobs,horizontalpodautoscalers,deployments,statefulsets,services,secrets",
        "--ignore-not-found",
        "--timeout=60s",
        &namespace,
        &selector,
        &wait,
    ]
    .map(str::to_owned)
    .into()
}
