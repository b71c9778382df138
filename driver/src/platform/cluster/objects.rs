//! What a run asks of the cluster: the manifests of `deploy/k8s`, with the sizes and the code of the run
//! written into them, in the run's own namespace.

use std::{collections::BTreeMap, path::Path};

use lab_autoscale::manifest::{ManifestError, Rollout, Strategy, read_objects};
use serde_json::{Value, json};

use super::site::Namespace;
use crate::platform::{ApiSpec, LoadSpec, StackSpec, WorkerSpec};

/// On everything that runs make, so that all of it can be found.
const ANY_RUN: (&str, &str) = ("app.kubernetes.io/part-of", "lab-run");

/// On every object of one run, with the run's name: it takes away its own and no other's.
const RUN: &str = "app.kubernetes.io/instance";

/// Where the Services are.
const SERVICES: [&str; 5] = [
    "deploy/k8s/dep.yaml",
    "deploy/k8s/worker.yaml",
    "deploy/k8s/postgres.yaml",
    "deploy/k8s/auditor.yaml",
    "deploy/k8s/api-service.yaml",
];

/// Selects what any run has made.
pub(super) fn of_any_run() -> String {
    format!("{}={}", ANY_RUN.0, ANY_RUN.1)
}

/// Selects what `run` has made.
pub(super) fn of_run(run: &str) -> String {
    format!("{RUN}={run}")
}

/// The labels of an object of `run`.
pub(super) fn labels(run: &str) -> BTreeMap<String, String> {
    [ANY_RUN, (RUN, run)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The manifests of a project and the image to run.
pub(super) struct Manifests<'a> {
    /// The project.
    pub(super) root: &'a Path,
    /// Where its objects go.
    pub(super) namespace: &'a Namespace,
    /// The run.
    pub(super) run: &'a str,
    /// An image in place of the manifests' own.
    pub(super) image: Option<&'a str>,
    /// Passwords of this run, in place of those that stand in the manifests for everybody to read.
    pub(super) passwords: [String; 2],
}

impl Manifests<'_> {
    /// The namespace, for a cluster that has none of that name yet.
    pub(super) fn namespace(&self) -> Result<Vec<Value>, ManifestError> {
        let mut objects = self.read("deploy/k8s/namespace.yaml")?;
        for object in &mut objects {
            object["metadata"]["name"] = self.namespace.to_string().into();
        }
        Ok(objects)
    }

    /// The Services, which stay when the run ends. All of them, whatever it needs, so that each is there before
    /// anybody asks for its name: that there is no such name is kept in mind by name services, too.
    fn services(&self) -> Result<Vec<Value>, ManifestError> {
        let mut services = Vec::new();
        for file in SERVICES {
            let objects = self.read(file)?.into_iter();
            services.extend(objects.filter(|object| object["kind"] == "Service"));
        }
        for service in &mut services {
            self.place_service(service);
        }
        Ok(services)
    }

    /// The objects of a run, in the order in which they are to be made.
    pub(super) fn of(&self, spec: &StackSpec) -> Result<Vec<Value>, ManifestError> {
        let mut objects = self.read("deploy/k8s/dep.yaml")?;
        if let Some(worker) = &spec.worker {
            objects.extend(self.worker(worker, &spec.code)?);
        }
        if let Some(api) = &spec.api {
            if api.database {
                objects.extend(self.read("deploy/k8s/postgres.yaml")?);
                objects.extend(self.auditor(api)?);
            }
            objects.extend(self.api(api, &spec.code)?);
        }
        objects.retain(|object| object["kind"] != "Service");
        for object in &mut objects {
            self.place(object);
            if let Some(container) = container(object) {
                // What a service that ends with an error says last is told with that.
                container["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
            }
        }
        let mut all = self.services()?;
        all.extend(objects);
        Ok(all)
    }

    /// The Job of a run's load pods.
    pub(super) fn load(&self, name: &str, spec: &LoadSpec) -> Result<Value, ManifestError> {
        let mut job = self.read("deploy/k8s/load.yaml")?.remove(0);
        job["metadata"]["name"] = name.into();
        job["spec"]["parallelism"] = spec.pods.into();
        job["spec"]["completions"] = spec.pods.into();
        job["spec"]["activeDeadlineSeconds"] = spec.lasts.as_secs().into();
        self.place(&mut job);
        Ok(job)
    }

    fn read(&self, file: &str) -> Result<Vec<Value>, ManifestError> {
        read_objects(&self.root.join(file))
    }

    fn worker(&self, spec: &WorkerSpec, code: &str) -> Result<Vec<Value>, ManifestError> {
        let mut objects = self.read("deploy/k8s/worker.yaml")?;
        let sizes = [
            ("LAB_WORKERS", u128::from(spec.workers)),
            ("LAB_FAST_MS", spec.fast.as_millis()),
            ("LAB_SLOW_MS", spec.slow.as_millis()),
        ];
        for container in objects.iter_mut().filter_map(container) {
            set_code(container, code);
            set_sizes(container, &sizes);
        }
        Ok(objects)
    }

    fn auditor(&self, spec: &ApiSpec) -> Result<Vec<Value>, ManifestError> {
        let mut objects = self.read("deploy/k8s/auditor.yaml")?;
        for container in objects.iter_mut().filter_map(container) {
            set_sizes(container, &[("LAB_POOL_SIZE", u128::from(spec.pool_size))]);
        }
        Ok(objects)
    }

    /// Without an autoscaler the CPU limit of step 4 would only disturb: it is left out.
    fn api(&self, spec: &ApiSpec, code: &str) -> Result<Vec<Value>, ManifestError> {
        let mut objects = match &spec.manifests {
            Some(manifests) => manifests.deployment.objects()?,
            None => self.read("deploy/k8s/starter/api-deploy.yaml")?,
        };
        let sizes = [
            ("LAB_ADMISSION_SLOTS", u128::from(spec.admission_slots)),
            ("LAB_POOL_SIZE", u128::from(spec.pool_size)),
            (
                "LAB_POOL_ACQUIRE_TIMEOUT_MS",
                spec.pool_acquire_timeout.as_millis(),
            ),
        ];
        for container in objects.iter_mut().filter_map(container) {
            set_code(container, code);
            if !spec.database {
                container["env"] = json!([]);
            }
            set_sizes(container, &sizes);
            if spec.crashable {
                set(container, "LAB_CRASHABLE", "true");
            }
            if spec.manifests.is_none() {
                container["resources"]["limits"] = json!({ "memory": "256Mi" });
                container["resources"]["requests"] = json!({ "cpu": "100m", "memory": "64Mi" });
            }
        }
        if let Some(manifests) = &spec.manifests {
            objects.extend(manifests.hpa.objects()?);
        }
        if let Some(roll) = &spec.roll {
            for deployment in &mut objects {
                set_rollout(&mut deployment["spec"], &roll.rollout);
            }
        }
        Ok(objects)
    }

    fn fresh_passwords(&self, secret: &mut Value) {
        let Some(data) = secret["stringData"].as_object_mut() else {
            return;
        };
        let known: Vec<String> = data
            .iter()
            .filter(|(name, _)| name.ends_with("password"))
            .filter_map(|(_, password)| Some(password.as_str()?.to_owned()))
            .collect();
        for (old, new) in known.iter().zip(&self.passwords) {
            for value in data.values_mut() {
                if let Some(text) = value.as_str() {
                    *value = text.replace(old, new).into();
                }
            }
        }
    }

    /// Puts a Service into the run's namespace, and takes the ports of `make up` off it.
    fn place_service(&self, service: &mut Value) {
        service["metadata"]["namespace"] = self.namespace.to_string().into();
        service["metadata"]["labels"][ANY_RUN.0] = ANY_RUN.1.into();
        if let Some(spec) = service["spec"].as_object_mut() {
            spec.remove("type");
        }
        for port in service["spec"]["ports"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
    }

    /// Puts an object into the run's namespace, and marks it and its pods.
    fn place(&self, object: &mut Value) {
        object["metadata"]["namespace"] = self.namespace.to_string().into();
        if object["kind"] == "Secret" {
            self.fresh_passwords(object);
        }
        for (key, value) in labels(self.run) {
            object["metadata"]["labels"][&key] = value.as_str().into();
            if let Some(pod) = object.pointer_mut("/spec/template/metadata") {
                pod["labels"][&key] = value.into();
            }
        }
        if let Some(image) = self.image
            && let Some(container) = container(object)
            && (container["args"].is_array() || container["command"].is_array())
        {
            container["image"] = image.into();
        }
    }
}

/// The first container of an object's pods.
fn container(object: &mut Value) -> Option<&mut Value> {
    object.pointer_mut("/spec/template/spec/containers/0")
}

/// Has a Deployment replace its pods as the manifest of step 6 says, as far as that was read; all else is the run's own.
fn set_rollout(deployment: &mut Value, rollout: &Rollout) {
    deployment["replicas"] = rollout.replicas.into();
    deployment["strategy"] = match rollout.strategy {
        Strategy::Recreate => json!({ "type": "Recreate" }),
        Strategy::Rolling {
            max_unavailable,
            max_surge,
        } => json!({ "type": "RollingUpdate",
            "rollingUpdate": { "maxUnavailable": max_unavailable, "maxSurge": max_surge } }),
    };
    let pod = &mut deployment["template"]["spec"];
    pod["terminationGracePeriodSeconds"] = rollout.grace.as_secs().into();
    let container = &mut pod["containers"][0];
    if !rollout.pre_stop.is_zero() {
        let sleep = json!({ "seconds": rollout.pre_stop.as_secs() });
        container["lifecycle"] = json!({ "preStop": { "sleep": sleep } });
    }
    let probe = &mut container["readinessProbe"];
    probe["initialDelaySeconds"] = rollout.first_probe.as_secs().into();
    probe["periodSeconds"] = rollout.probe_period.as_secs().into();
    set(container, "LAB_LEAVES_BY_CASE", "true");
}

fn set_code(container: &mut Value, code: &str) {
    for argument in container["args"].as_array_mut().into_iter().flatten() {
        if argument
            .as_str()
            .is_some_and(|text| text.starts_with("--code="))
        {
            *argument = format!("--code={code}").into();
        }
    }
}

fn set_sizes(container: &mut Value, sizes: &[(&str, u128)]) {
    for (name, value) in sizes {
        set(container, name, &value.to_string());
    }
}

/// Sets a variable of the container's environment.
fn set(container: &mut Value, name: &str, value: &str) {
    if container["env"].is_null() {
        container["env"] = json!([]);
    }
    if let Some(env) = container["env"].as_array_mut() {
        env.retain(|variable| variable["name"] != name);
        env.push(json!({ "name": name, "value": value }));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        platform::{ApiManifests, RollSpec},
        secret,
    };
    use lab_autoscale::manifest::ManifestFile;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    fn objects(spec: &StackSpec, image: Option<&str>) -> Vec<Value> {
        Manifests {
            root: root(),
            namespace: &"lab-run-ada".parse().unwrap(),
            run: "run-1",
            image,
            passwords: [secret::password().unwrap(), secret::password().unwrap()],
        }
        .of(spec)
        .unwrap()
    }

    fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
        objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    #[test]
    fn everything_is_in_the_namespace_of_runs_and_takes_no_port_of_the_node() {
        let spec = StackSpec {
            api: Some(ApiSpec {
                database: true,
                ..ApiSpec::default()
            }),
            worker: Some(WorkerSpec::default()),
            ..StackSpec::new("mine")
        };
        for object in objects(&spec, None) {
            assert_eq!(object["metadata"]["namespace"], "lab-run-ada", "{object}");
            assert_eq!(object["metadata"]["labels"][ANY_RUN.0], ANY_RUN.1);
            let text = object.to_string();
            assert!(!text.contains("nodePort"), "{text}");
            // What stays is no run's, and what does not, and each of its pods, is this one's.
            let run = &object["metadata"]["labels"][RUN];
            assert_eq!(run == "run-1", object["kind"] != "Service", "{object}");
            if let Some(pod) = object.pointer("/spec/template/metadata/labels") {
                assert_eq!(pod[RUN], "run-1", "{object}");
                assert!(text.contains(r#""terminationMessagePolicy":"FallbackToLogsOnError""#));
            }
        }
    }

    #[test]
    fn all_services_come_first_with_addresses_of_their_own_whatever_runs() {
        let all = [StackSpec::new("mine"), {
            let api = ApiSpec {
                database: true,
                ..ApiSpec::default()
            };
            StackSpec {
                api: Some(api),
                ..StackSpec::new("mine")
            }
        }]
        .map(|spec| objects(&spec, None));
        for objects in all {
            let kinds: Vec<_> = objects.iter().map(|object| &object["kind"]).collect();
            let services = kinds.iter().take_while(|kind| **kind == "Service").count();
            assert_eq!(services, SERVICES.len());
            assert!(!kinds[services..].contains(&&json!("Service")));
            for name in ["dep", "worker", "api", "auditor", "postgres"] {
                let service = find(&objects, "Service", name).unwrap();
                // Without one a name leads to pods, which come and go.
                assert!(service["spec"]["clusterIP"].is_null(), "{service}");
            }
        }
    }

    #[test]
    fn a_run_sets_code_sizes_and_image() {
        let spec = StackSpec {
            api: Some(ApiSpec {
                admission_slots: 7,
                ..ApiSpec::default()
            }),
            ..StackSpec::new("solved")
        };
        let objects = objects(&spec, Some("registry/lab:9"));
        assert!(find(&objects, "StatefulSet", "postgres").is_none());
        let api = find(&objects, "Deployment", "api").unwrap();
        let container = &api["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry/lab:9");
        let text = container.to_string();
        assert!(text.contains("--code=solved"), "{text}");
        assert!(
            text.contains(r#"{"name":"LAB_ADMISSION_SLOTS","value":"7"}"#),
            "{text}"
        );
        assert!(
            !text.contains("LAB_DATABASE_URL") && !text.contains("200m"),
            "{text}"
        );
    }

    #[test]
    fn a_ledger_comes_with_its_auditor_and_passwords_of_its_own() {
        let api = ApiSpec {
            database: true,
            pool_size: 7,
            ..ApiSpec::default()
        };
        let spec = StackSpec {
            api: Some(api),
            ..StackSpec::new("mine")
        };
        let secret = || {
            let objects = objects(&spec, None);
            find(&objects, "Secret", "database").unwrap()["stringData"].clone()
        };
        let (one, two) = (secret(), secret());
        for (password, url) in [("owner-password", "owner-url"), ("client-password", "url")] {
            let password = |secret: &Value| secret[password].as_str().unwrap().to_owned();
            assert_ne!(password(&one), password(&two));
            let url = one[url].as_str().unwrap();
            assert!(url.contains(&format!(":{}@", password(&one))), "{url}");
        }
        let objects = objects(&spec, None);
        let auditor = find(&objects, "Deployment", "auditor").unwrap().to_string();
        assert!(
            auditor.contains(r#"{"name":"LAB_POOL_SIZE","value":"7"}"#),
            "{auditor}"
        );
        let api = find(&objects, "Deployment", "api").unwrap().to_string();
        assert!(
            api.contains("LAB_DATABASE_URL") && !api.contains("owner"),
            "{api}"
        );
        assert!(!api.contains("LAB_CRASHABLE"), "{api}");
    }

    #[test]
    fn pods_of_a_run_answer_to_addresses_and_to_what_they_call_each_other() {
        let spec = StackSpec {
            api: Some(ApiSpec::default()),
            worker: Some(WorkerSpec::default()),
            ..StackSpec::new("mine")
        };
        let objects = objects(&spec, None);
        for (name, hosts) in [("api", None), ("worker", None), ("dep", Some("dep"))] {
            let deployment = find(&objects, "Deployment", name).unwrap();
            let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
            let mut env = env.as_array().unwrap().iter();
            let set = env.find(|variable| variable["name"] == "LAB_ALLOWED_HOSTS");
            assert_eq!(
                set.map(|set| &set["value"]),
                hosts.map(Value::from).as_ref()
            );
        }
    }

    #[test]
    fn an_autoscaled_api_keeps_its_limit_and_its_autoscaler() {
        let read = |name| ManifestFile::read(root().join("deploy/k8s/solved").join(name)).unwrap();
        let spec = StackSpec {
            api: Some(ApiSpec {
                manifests: Some(ApiManifests {
                    deployment: read("api-deploy.yaml"),
                    hpa: read("api-hpa.yaml"),
                }),
                ..ApiSpec::default()
            }),
            ..StackSpec::new("mine")
        };
        let objects = objects(&spec, None);
        let api = find(&objects, "Deployment", "api").unwrap();
        let limits = &api["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(limits["cpu"], "200m");
        assert!(find(&objects, "HorizontalPodAutoscaler", "api").is_some());
    }

    #[test]
    fn an_api_whose_pods_are_replaced_has_the_rollout_of_its_manifest_and_no_more_of_it() {
        let file = root().join("driver/fixes/shutdown/prestop/api-roll.yaml");
        let file = ManifestFile::read(file).unwrap();
        let spec = |rollout: Rollout| StackSpec {
            api: Some(ApiSpec {
                roll: Some(RollSpec {
                    rollout,
                    listed_for: Duration::from_secs(2),
                }),
                ..ApiSpec::default()
            }),
            ..StackSpec::new("solved")
        };
        let deployment = |spec: &StackSpec| {
            let objects = objects(spec, None);
            find(&objects, "Deployment", "api").unwrap()["spec"].clone()
        };
        let api = deployment(&spec(file.rollout().unwrap()));
        assert_eq!(api["replicas"], 3);
        let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
        assert_eq!(api["strategy"], strategy);
        let pod = &api["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 8);
        let container = &pod["containers"][0];
        assert_eq!(
            container["lifecycle"],
            json!({ "preStop": { "sleep": { "seconds": 3 } } })
        );
        let probe = &container["readinessProbe"];
        assert_eq!(
            (&probe["initialDelaySeconds"], &probe["periodSeconds"]),
            (&2.into(), &1.into())
        );
        assert_eq!(probe["httpGet"]["path"], "/readyz");
        let text = container.to_string();
        for own in [
            "--code=solved",
            r#"{"name":"LAB_LEAVES_BY_CASE","value":"true"}"#,
        ] {
            assert!(text.contains(own), "{own}: {text}");
        }
        let recreate = Rollout {
            strategy: Strategy::Recreate,
            pre_stop: Duration::ZERO,
            ..file.rollout().unwrap()
        };
        let api = deployment(&spec(recreate));
        assert_eq!(api["strategy"], json!({ "type": "Recreate" }));
        assert!(api["template"]["spec"]["containers"][0]["lifecycle"].is_null());
    }
}
