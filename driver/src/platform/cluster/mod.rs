//! The platform that is a Kubernetes cluster: k3d's of the workshop, or any other by its context. It
//! needs `kubectl` and nothing else: what that can reach and may do, the workshop can.
//!
//! Every run gets fresh objects in a namespace of runs, `lab-run`, and they go when it ends; the namespace and its
//! Services stay, so that no name ever leads to what is gone. The load comes from pods of the run ([`load`]), which send
//! it to the services' pods directly; the driver commands them over one stream each, and has its own few requests passed
//! on by the first of them ([`super::gateway`]).

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use lab_autoscale::manifest::ManifestError;

use super::{Platform, Stack, StackSpec, Starting};

mod claim;
mod kubectl;
mod load;
mod members;
mod objects;
mod reader;
mod removal;
mod site;
mod state;
mod supervisor;
mod target;

use kubectl::Kubectl;
pub use kubectl::KubectlError;
use removal::Leftover;
use site::Site;
pub use site::{NAMESPACE, Namespace, NamespaceError};
pub use target::ClusterTarget;

/// The context of the cluster that `make up PLATFORM=k3d` makes.
pub const K3D_CONTEXT: &str = "k3d-lab";

/// What is said where the API server says no.
const RIGHTS: &str = "; deploy/k8s/access.yaml has all the rights that a run needs: an administrator of the cluster \
    applies it, and the page \"On Kubernetes\" says how";

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
    #[error("the cluster's API does not answer at {path}")]
    Api {
        /// What was asked for.
        path: String,
        /// What happened.
        source: reqwest::Error,
    },
    /// The API server says that one may not.
    #[error("the cluster's API says no: {message}{RIGHTS}")]
    Forbidden {
        /// Its own words, which name the right.
        message: String,
    },
    /// Somebody else runs there.
    #[error(
        "the namespace {namespace} is in use: {holder}; wait for that run to end, or take a namespace of your own, \
         NAMESPACE={namespace}-me: but two runs at once on one cluster measure each other, too"
    )]
    InUse {
        /// Which namespace.
        namespace: String,
        /// Who runs what, since when.
        holder: String,
    },
    /// Services don't reach each other.
    #[error(
        "the services are ready and don't reach each other within {} s: {misses}; look at the cluster's name service \
         (`kubectl -n kube-system get pods -l k8s-app=kube-dns`) and at what leads or bars the way ({look})",
        .within.as_secs()
    )]
    Apart {
        /// Who does not reach whom, and why.
        misses: String,
        /// How long they had.
        within: Duration,
        /// What to look at.
        look: String,
    },
    /// The image is of a workshop of before.
    #[error(
        "the image is older than this driver: it does not say whom its services reach; {remedy}"
    )]
    OldImage {
        /// How to get another.
        remedy: String,
    },
    /// What a run has made could not be removed.
    #[error(
        "the cluster keeps what this run has made ({why}); the next run removes it, or now {command}"
    )]
    Left {
        /// What removes it.
        command: String,
        /// Why it could not be removed.
        why: KubectlError,
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
        "not ready within {} s: {missing}; {look} says more",
        .within.as_secs()
    )]
    Late {
        /// The services that are missing.
        missing: String,
        /// How long they had.
        within: Duration,
        /// What says more.
        look: String,
    },
    /// The pods of the run before stay.
    #[error("the pods of the run before do not end; {look} shows them, {remove} removes them all")]
    Leftovers {
        /// What shows them.
        look: String,
        /// What removes them.
        remove: String,
    },
    /// No figures of CPU use.
    #[error(
        "the cluster has no CPU figures for the pods, which an autoscaler needs: {look} must work; \
         `kubectl apply -f deploy/k8s/metrics-server.yaml` installs metrics-server"
    )]
    NoMetrics {
        /// What must work.
        look: String,
    },
    /// The image is not of today's code.
    #[error("the image runs another {file} than the one in this folder; {remedy}")]
    OtherCode {
        /// The file that differs.
        file: String,
        /// How to get another image.
        remedy: String,
    },
    /// The load pods can't be used.
    #[error(transparent)]
    Load(#[from] lab_remote::Error),
    /// A pod of the run is not reached from the load pod.
    #[error(
        "{pod} is ready, but the load pod does not reach it: {text}; does a NetworkPolicy of the cluster keep the \
         pods of {namespace} apart?"
    )]
    Unreached {
        /// Which.
        pod: String,
        /// Where they are.
        namespace: String,
        /// What happens.
        text: String,
    },
    /// No port of this machine.
    #[error("cannot listen on 127.0.0.1 for the driver's own requests")]
    Gateway(#[source] io::Error),
    /// The client can't be made.
    #[error("cannot make an HTTP client")]
    Http(#[source] reqwest::Error),
    /// No random numbers from the system.
    #[error("cannot make a password for the database")]
    Password(#[source] io::Error),
    /// No temporary folder.
    #[error("cannot make a temporary folder")]
    Folder(#[source] io::Error),
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct ClusterPlatform {
    root: PathBuf,
    kubectl: Kubectl,
    /// In place of the manifests' own.
    image: Option<String>,
    version: String,
}

impl ClusterPlatform {
    /// The cluster of `context`, for the project at `root`, with the objects of runs in `namespace`; `image` in place
    /// of the manifests' own.
    pub async fn connect(
        root: &Path,
        context: &str,
        namespace: Namespace,
        image: Option<String>,
    ) -> Result<Self, KubectlError> {
        let site = Site {
            context: context.to_owned(),
            namespace,
            image: image.clone(),
        };
        let kubectl = Kubectl { site };
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

    /// Runs `image` in place of the manifests' own.
    pub fn run_image(&mut self, image: String) {
        self.image = Some(image);
    }
}

impl Platform for ClusterPlatform {
    fn name(&self) -> &'static str {
        if self.kubectl.site.context.starts_with("k3d-") {
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

    fn is_sent_from_here(&self) -> bool {
        false
    }

    fn start<'a>(&'a self, spec: &'a StackSpec) -> Starting<'a> {
        Box::pin(async move {
            let mut leftover = Leftover::none();
            let started = supervisor::start(self, spec, &mut leftover).await;
            Ok::<Stack, super::Error>(started?)
        })
    }
}
