//! What the cluster's API says, through one `kubectl proxy` for the whole run: a `kubectl` for each
//! look would cost the machine more than the load does.

use std::{path::Path, time::Duration};

use k8s_openapi::{
    List,
    api::{autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod},
};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{
    Error,
    kubectl::{Kubectl, Staying},
    objects::NAMESPACE,
};

/// For the proxy to listen; it takes a tenth of that.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// For one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(5);

/// A way to ask the API server.
pub(super) struct Reader {
    http: reqwest::Client,
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
            http: client(&socket)?,
            proxy,
            _folder: folder,
        })
    }

    /// The pods of the run.
    pub(super) async fn pods(&self) -> Result<Vec<Pod>, Error> {
        let path = format!("api/v1/namespaces/{NAMESPACE}/pods");
        let list: List<Pod> = self.get(&path).await?;
        Ok(list.items)
    }

    /// The autoscaler of the run.
    pub(super) async fn autoscaler(&self) -> Result<HorizontalPodAutoscaler, Error> {
        let path =
            format!("apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/api");
        self.get(&path).await
    }

    /// How many pods of the run the metrics API has figures for.
    pub(super) async fn measured_pods(&self) -> Result<usize, Error> {
        let path = format!("apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods");
        let list: serde_json::Value = self.get(&path).await?;
        Ok(list["items"].as_array().map_or(0, Vec::len))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let request = self.http.get(format!("http://localhost/{path}"));
        let answer = request.timeout(PATIENCE).send().await;
        let answer = match answer {
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

    /// Ends the proxy.
    pub(super) async fn end(self) {
        self.proxy.end().await;
    }
}

/// What the API server says besides the number.
async fn forbidden(answer: reqwest::Response) -> Error {
    let said: serde_json::Value = answer.json().await.unwrap_or_default();
    let message = said["message"].as_str().unwrap_or("it gives no reason");
    Error::Forbidden {
        message: message.to_owned(),
    }
}

fn client(socket: &Path) -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .no_proxy()
        .unix_socket(socket)
        .build()
        .map_err(Error::Http)
}
