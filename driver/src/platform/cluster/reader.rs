//! What the cluster's API says, through one `kubectl proxy` for the whole run: a `kubectl` for each
//! look would cost the machine more than the load does.

use std::{collections::BTreeSet, path::Path, time::Duration};

use k8s_openapi::{
    List,
    api::{
        apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, coordination::v1::Lease,
        core::v1::Pod,
    },
};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{
    Error,
    kubectl::{Kubectl, Staying},
    site::Namespace,
};

/// For the proxy to listen; it takes a tenth of that.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// For one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(5);

/// The proxy to the API server. It ends when this is dropped.
pub(super) struct Reader {
    /// What goes through it.
    pub(super) api: Api,
    proxy: Staying,
    /// Holds the proxy's socket: it acts with the user's rights, so no port of the machine has it.
    _folder: TempDir,
}

impl Reader {
    pub(super) async fn start(kubectl: &Kubectl) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::Folder)?;
        let socket = folder.path().join("api");
        let mut proxy = kubectl.stay(&["proxy", &format!("--unix-socket={}", socket.display())])?;
        let line = timeout(STARTS_WITHIN, proxy.line()).await.ok().flatten();
        if line.is_none() {
            return Err(Error::Proxy(proxy.complaint().await));
        }
        Ok(Self {
            api: Api {
                http: client(&socket)?,
                namespace: kubectl.site.namespace.clone(),
            },
            proxy,
            _folder: folder,
        })
    }

    /// Ends the proxy.
    pub(super) async fn end(self) {
        self.proxy.end().await;
    }
}

/// What is asked of the API server, about one namespace. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    namespace: Namespace,
}

impl Api {
    /// Whether the namespace is there. Who may not know is taken to have it: making it would need more rights.
    pub(super) async fn has_namespace(&self) -> Result<bool, Error> {
        let path = format!("api/v1/namespaces/{}", self.namespace);
        match self.get::<serde_json::Value>(&path).await {
            Ok(_) => Ok(true),
            Err(error) => match status(&error) {
                Some(StatusCode::NOT_FOUND) => Ok(false),
                Some(StatusCode::FORBIDDEN) => Ok(true),
                _ => Err(error),
            },
        }
    }

    /// The pods that `selector` has.
    pub(super) async fn pods(&self, selector: &str) -> Result<Vec<Pod>, Error> {
        let path = self.path("api/v1", &format!("pods?labelSelector={selector}"));
        let list: List<Pod> = self.get(&path).await?;
        Ok(list.items)
    }

    /// The autoscaler of the run.
    pub(super) async fn autoscaler(&self) -> Result<HorizontalPodAutoscaler, Error> {
        let path = self.path("apis/autoscaling/v2", "horizontalpodautoscalers/api");
        self.get(&path).await
    }

    /// How many replicas the api is to have at this moment.
    pub(super) async fn wanted_replicas(&self) -> Result<u32, Error> {
        let path = self.path("apis/apps/v1", "deployments/api");
        let deployment: Deployment = self.get(&path).await?;
        let replicas = deployment.spec.and_then(|spec| spec.replicas);
        Ok(replicas
            .and_then(|count| count.try_into().ok())
            .unwrap_or(1))
    }

    /// The pods that the metrics API has figures for.
    pub(super) async fn measured_pods(&self) -> Result<BTreeSet<String>, Error> {
        let path = self.path("apis/metrics.k8s.io/v1beta1", "pods");
        let list: serde_json::Value = self.get(&path).await?;
        let items = list["items"].as_array().into_iter().flatten();
        let names = items.filter_map(|item| item["metadata"]["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// A Lease of the namespace; none where there is none.
    pub(super) async fn lease(&self, name: &str) -> Result<Option<Lease>, Error> {
        let path = self.path(LEASES, &format!("leases/{name}"));
        match self.get(&path).await {
            Ok(lease) => Ok(Some(lease)),
            Err(error) if status(&error) == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a Lease: one that was read before, or a new one. Where somebody else was quicker, the answer
    /// is a conflict.
    pub(super) async fn put_lease(&self, lease: &Lease) -> Result<Lease, Error> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let (method, place) = match lease.metadata.resource_version {
            Some(_) => (Method::PUT, format!("leases/{name}")),
            None => (Method::POST, "leases".to_owned()),
        };
        let path = self.path(LEASES, &place);
        let request = self.request(method, &path).json(lease);
        read(request, &path).await
    }

    fn path(&self, group: &str, place: &str) -> String {
        format!("{group}/namespaces/{}/{place}", self.namespace)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        read(self.request(Method::GET, path), path).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("http://localhost/{path}"))
            .timeout(PATIENCE)
    }
}

/// Where Leases are.
const LEASES: &str = "apis/coordination.k8s.io/v1";

async fn read<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    path: &str,
) -> Result<T, Error> {
    let answer = match request.send().await {
        Ok(answer) if answer.status() == StatusCode::FORBIDDEN => {
            return Err(forbidden(answer).await);
        }
        answer => answer.and_then(reqwest::Response::error_for_status),
    };
    let read = match answer {
        Ok(answer) => answer.json().await,
        Err(error) => Err(error),
    };
    read.map_err(|source| Error::Api {
        path: path.to_owned(),
        source,
    })
}

/// What the API server says besides the number.
async fn forbidden(answer: reqwest::Response) -> Error {
    let said: serde_json::Value = answer.json().await.unwrap_or_default();
    let message = said["message"].as_str().unwrap_or("it gives no reason");
    Error::Forbidden {
        message: message.to_owned(),
    }
}

fn status(error: &Error) -> Option<StatusCode> {
    match error {
        Error::Api { source, .. } => source.status(),
        Error::Forbidden { .. } => Some(StatusCode::FORBIDDEN),
        _ => None,
    }
}

fn client(socket: &Path) -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .no_proxy()
        .unix_socket(socket)
        .build()
        .map_err(Error::Http)
}
