//! What the cluster's API says, through one `kubectl proxy` for the whole run: a `kubectl` for each
//! look would cost the machine more than the load does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use k8s_openapi::{
    List,
    api::{
        apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, coordination::v1::Lease,
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::WatchEvent,
};
use reqwest::{Method, StatusCode, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    Error,
    kubectl::{Kubectl, Staying},
    site::Namespace,
    state,
};

/// For the proxy to listen; it takes a tenth of that.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// For one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(5);

/// From the end of a watch to the next.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

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

    /// Follows the pods that `selector` has: what it gives are all of them, each time that one has changed. Looks of one's
    /// own would miss the last words of a pod, which is gone some milliseconds after its container's end was told. Whoever may
    /// not watch is told so once.
    pub(super) fn watch(
        &self,
        selector: String,
    ) -> mpsc::UnboundedReceiver<Result<Vec<Pod>, Error>> {
        let (sender, seen) = mpsc::unbounded_channel();
        let api = self.clone();
        tokio::spawn(async move {
            let watching = async {
                loop {
                    let ended = api.watch_once(&selector, &sender).await;
                    if let Err(error @ Error::Forbidden { .. }) = ended {
                        let _ = sender.send(Err(error));
                        return;
                    }
                    // The server ends it now and then; and whether the server is away is for others to tell.
                    sleep(AGAIN_AFTER).await;
                }
            };
            tokio::select! {
                () = sender.closed() => {}
                () = watching => {}
            }
        });
        seen
    }

    /// A list, and then what becomes of it (Kubernetes documentation, "API Concepts: Efficient detection of changes").
    async fn watch_once(
        &self,
        selector: &str,
        sender: &mpsc::UnboundedSender<Result<Vec<Pod>, Error>>,
    ) -> Result<(), Error> {
        let place = format!("pods?labelSelector={selector}");
        let list: List<Pod> = self.get(&self.path("api/v1", &place)).await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let mut watched = Watched::of(list.items);
        let path = self.path(
            "api/v1",
            &format!("{place}&watch=true&resourceVersion={version}"),
        );
        let _ = sender.send(Ok(watched.pods()));
        // For as long as the server wants.
        let request = self.http.get(format!("http://localhost/{path}"));
        let mut answer = answered(request, &path).await?;
        while let Ok(Some(bytes)) = answer.chunk().await {
            for pods in watched.hear(&bytes) {
                let _ = sender.send(Ok(pods));
            }
        }
        Ok(())
    }

    /// Has every pod of the api replaced, as `kubectl rollout restart` does (`objectrestarter.go` in
    /// `k8s.io/kubectl/pkg/polymorphichelpers`): a template that says when is another one, and all else is up to the
    /// Deployment's controller.
    pub(super) async fn restart(&self) -> Result<(), Error> {
        let path = self.path("apis/apps/v1", "deployments/api");
        let now = jiff::Timestamp::now().to_string();
        let annotations = json!({ "kubectl.kubernetes.io/restartedAt": now });
        let template = json!({ "metadata": { "annotations": annotations } });
        let change = json!({ "spec": { "template": template } }).to_string();
        let request = self
            .request(Method::PATCH, &path)
            .header(CONTENT_TYPE, "application/merge-patch+json")
            .body(change);
        read::<serde_json::Value>(request, &path).await?;
        Ok(())
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

/// The pods of a watch, by their uids.
#[derive(Default)]
struct Watched {
    pods: BTreeMap<String, Pod>,
    /// What has come of a line that is not at its end.
    line: Vec<u8>,
}

impl Watched {
    fn of(pods: Vec<Pod>) -> Self {
        let by_uid = |pod: Pod| (state::uid(&pod).to_owned(), pod);
        Self {
            pods: pods.into_iter().map(by_uid).collect(),
            line: Vec::new(),
        }
    }

    fn pods(&self) -> Vec<Pod> {
        self.pods.values().cloned().collect()
    }

    /// What bytes of the stream make of them, step by step. What is no event of a pod is left out.
    fn hear(&mut self, bytes: &[u8]) -> Vec<Vec<Pod>> {
        let mut steps = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let event = serde_json::from_slice(&self.line);
            self.line.clear();
            if let Ok(event) = event {
                self.take(event, &mut steps);
            }
        }
        steps
    }

    fn take(&mut self, event: WatchEvent<Pod>, steps: &mut Vec<Vec<Pod>>) {
        let (pod, is_gone) = match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, false),
            WatchEvent::Deleted(pod) => (pod, true),
            _ => return,
        };
        let uid = state::uid(&pod).to_owned();
        self.pods.insert(uid.clone(), pod);
        steps.push(self.pods());
        if is_gone {
            self.pods.remove(&uid);
            steps.push(self.pods());
        }
    }
}

/// Where Leases are.
const LEASES: &str = "apis/coordination.k8s.io/v1";

async fn read<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    path: &str,
) -> Result<T, Error> {
    let answer = answered(request, path).await?;
    answer.json().await.map_err(|source| failed(path, source))
}

async fn answered(
    request: reqwest::RequestBuilder,
    path: &str,
) -> Result<reqwest::Response, Error> {
    let answer = match request.send().await {
        Ok(answer) if answer.status() == StatusCode::FORBIDDEN => {
            return Err(forbidden(answer).await);
        }
        answer => answer.and_then(reqwest::Response::error_for_status),
    };
    answer.map_err(|source| failed(path, source))
}

fn failed(path: &str, source: reqwest::Error) -> Error {
    Error::Api {
        path: path.to_owned(),
        source,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_tells_each_step_and_the_last_words_of_a_pod_before_it_is_gone() {
        let pod = |name: &str, exit: Option<i32>| {
            let ended = exit.map(|code| json!({ "terminated": { "exitCode": code } }));
            json!({ "metadata": { "name": name, "uid": name, "labels": { "app": "api" } },
                "status": { "containerStatuses": [{ "name": "api", "image": "lab", "imageID": "", "ready": true,
                    "restartCount": 0, "state": ended }] } })
        };
        let first = serde_json::from_value(pod("a", None)).unwrap();
        let mut watched = Watched::of(vec![first]);
        let events = [
            json!({ "type": "ADDED", "object": pod("b", None) }),
            json!({ "type": "BOOKMARK", "object": { "metadata": { "resourceVersion": "9" } } }),
            json!({ "type": "DELETED", "object": pod("a", Some(137)) }),
        ];
        let stream: String = events.map(|event| format!("{event}\n")).concat();
        // As it may be cut on its way.
        let (head, tail) = stream.as_bytes().split_at(stream.len() / 3);
        let mut steps = watched.hear(head);
        steps.extend(watched.hear(tail));
        let seen: Vec<Vec<(&str, Option<i32>)>> = steps
            .iter()
            .map(|pods| {
                let of = |pod| (state::name(pod), state::exit_code(pod));
                pods.iter().map(of).collect()
            })
            .collect();
        assert_eq!(
            seen,
            [
                vec![("a", None), ("b", None)],
                vec![("a", Some(137)), ("b", None)],
                vec![("b", None)],
            ]
        );
    }
}
