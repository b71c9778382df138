//! The manifests agree with themselves, with the services and with the scripts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use lab_autoscale::manifest::read_objects;
use serde_json::Value;

const FILES: [&str; 16] = [
    "namespace.yaml",
    "dep.yaml",
    "worker.yaml",
    "load.yaml",
    "api-service.yaml",
    "postgres.yaml",
    "auditor.yaml",
    "api-deploy.yaml",
    "api-hpa.yaml",
    "api-roll.yaml",
    "starter/api-roll.yaml",
    "solved/api-roll.yaml",
    "starter/api-deploy.yaml",
    "starter/api-hpa.yaml",
    "solved/api-deploy.yaml",
    "solved/api-hpa.yaml",
];

/// Not the workshop's: for clusters that have no figures of CPU use.
const METRICS_SERVER: &str = "metrics-server.yaml";

/// What an administrator applies where people may not do all: the rights of a run, and its ways through the network.
const ADMINISTRATORS: [&str; 2] = ["access.yaml", "network.yaml"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(file: &str) -> Vec<Value> {
    let file = root().join("deploy/k8s").join(file);
    read_objects(&file).unwrap_or_else(|error| panic!("{error}"))
}

fn objects() -> Vec<Value> {
    FILES.iter().flat_map(|file| read(file)).collect()
}

fn of<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

fn workloads(objects: &[Value]) -> Vec<&Value> {
    of(objects, "Deployment")
        .chain(of(objects, "StatefulSet"))
        .collect()
}

fn containers(workload: &Value) -> &Vec<Value> {
    let list = &workload["spec"]["template"]["spec"]["containers"];
    list.as_array().expect("containers")
}

#[test]
fn every_file_is_read_and_none_is_forgotten() {
    assert!(objects().len() > FILES.len());
    let mut there = BTreeSet::new();
    for folder in ["", "starter/", "solved/"] {
        for entry in fs::read_dir(root().join("deploy/k8s").join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if Path::new(&name)
                .extension()
                .is_some_and(|end| end == "yaml")
            {
                there.insert(format!("{folder}{name}"));
            }
        }
    }
    for file in ADMINISTRATORS.into_iter().chain([METRICS_SERVER]) {
        assert!(there.remove(file), "{file}");
    }
    assert_eq!(there, FILES.map(str::to_owned).into());
}

#[test]
fn everything_is_in_one_namespace() {
    for object in objects() {
        if object["kind"] != "Namespace" {
            assert_eq!(object["metadata"]["namespace"], "lab", "{object}");
        }
    }
}

#[test]
fn each_service_finds_its_pods_and_a_port_of_theirs() {
    let objects = objects();
    for service in of(&objects, "Service") {
        let selector = &service["spec"]["selector"];
        let found = workloads(&objects)
            .into_iter()
            .find(|workload| &workload["spec"]["template"]["metadata"]["labels"] == selector)
            .unwrap_or_else(|| panic!("nobody has the labels {selector}"));
        let named: Vec<&Value> = containers(found)
            .iter()
            .flat_map(|container| container["ports"].as_array().unwrap())
            .map(|port| &port["name"])
            .collect();
        for port in service["spec"]["ports"].as_array().unwrap() {
            assert!(named.contains(&&port["targetPort"]), "{service}");
        }
    }
}

#[test]
fn a_service_listens_where_its_port_is_and_finds_the_others() {
    let objects = objects();
    let services: BTreeMap<&str, u64> = of(&objects, "Service")
        .map(|service| {
            let port = service["spec"]["ports"][0]["port"].as_u64().unwrap();
            (service["metadata"]["name"].as_str().unwrap(), port)
        })
        .collect();
    for deployment in of(&objects, "Deployment") {
        let container = &containers(deployment)[0];
        let arguments: Vec<&str> = container["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|argument| argument.as_str().unwrap())
            .collect();
        assert_eq!(arguments[0], deployment["metadata"]["name"]);
        let port = &container["ports"][0]["containerPort"];
        assert!(arguments.contains(&format!("--listen=0.0.0.0:{port}").as_str()));
        for url in arguments
            .iter()
            .filter_map(|a| a.strip_prefix("--dep-url=http://"))
        {
            let (host, port) = url.split_once(':').unwrap();
            assert_eq!(services[host].to_string(), port);
        }
    }
    let secret = of(&objects, "Secret").next().unwrap();
    let url = secret["stringData"]["url"].as_str().unwrap();
    let (host, _) = url.split_once('@').unwrap().1.split_once('/').unwrap();
    assert_eq!(host, format!("postgres:{}", services["postgres"]));
}

#[test]
fn a_load_pod_has_no_rights_and_ends_with_its_stream() {
    let objects = read("load.yaml");
    let job = &objects[0]["spec"];
    assert_eq!(job["completionMode"], "Indexed");
    assert_eq!(
        (&job["backoffLimit"], &job["ttlSecondsAfterFinished"]),
        (&0.into(), &0.into())
    );
    assert!(job["activeDeadlineSeconds"].is_number());
    let pod = &job["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &containers(&objects[0])[0];
    assert_eq!(
        (&container["stdin"], &container["stdinOnce"]),
        (&true.into(), &true.into())
    );
    assert!(container["resources"]["requests"]["cpu"].is_string());
    let own = &container["securityContext"];
    assert_eq!(own["allowPrivilegeEscalation"], false);
    assert_eq!(own["readOnlyRootFilesystem"], true);
    assert_eq!(own["capabilities"]["drop"][0], "ALL");
}

#[test]
fn every_pod_has_requests_a_memory_limit_probes_and_no_rights() {
    for workload in workloads(&objects()) {
        let pod = &workload["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        for container in containers(workload) {
            assert!(container["resources"]["requests"]["cpu"].is_string());
            assert!(container["resources"]["limits"]["memory"].is_string());
            assert!(container["readinessProbe"].is_object());
            assert!(container["livenessProbe"].is_object());
            let rights = &container["securityContext"];
            assert_eq!(rights["allowPrivilegeEscalation"], false);
            assert_eq!(rights["readOnlyRootFilesystem"], true);
            assert_eq!(rights["capabilities"]["drop"][0], "ALL");
            assert_eq!(container["imagePullPolicy"], "IfNotPresent");
            let (_, tag) = container["image"]
                .as_str()
                .unwrap()
                .split_once(':')
                .unwrap();
            assert_ne!(tag, "latest");
        }
    }
}

#[test]
fn the_metrics_api_leads_to_metrics_server_and_its_rights_to_its_account() {
    let objects = read(METRICS_SERVER);
    let one = |kind| of(&objects, kind).next().unwrap();
    let (service, deployment) = (one("Service"), one("Deployment"));
    let named = &one("APIService")["spec"]["service"];
    assert_eq!(named["name"], service["metadata"]["name"]);
    assert_eq!(named["namespace"], service["metadata"]["namespace"]);
    let pod = &deployment["spec"]["template"];
    assert_eq!(service["spec"]["selector"], pod["metadata"]["labels"]);
    let container = &containers(deployment)[0];
    let port = &container["ports"][0];
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    let listens = format!("--secure-port={}", port["containerPort"]);
    let arguments = container["args"].as_array().unwrap();
    assert!(arguments.contains(&Value::from(listens)));

    let account = &one("ServiceAccount")["metadata"];
    assert_eq!(pod["spec"]["serviceAccountName"], account["name"]);
    let bindings = of(&objects, "ClusterRoleBinding").chain(of(&objects, "RoleBinding"));
    for binding in bindings {
        let subject = &binding["subjects"][0];
        assert_eq!(subject["name"], account["name"]);
        assert_eq!(subject["namespace"], account["namespace"]);
    }
}

#[test]
fn both_namespaces_are_held_to_the_same_standard() {
    let label = |file| {
        let objects = read(file);
        let namespace = of(&objects, "Namespace").next().unwrap();
        namespace["metadata"]["labels"].clone()
    };
    assert_eq!(label("access.yaml"), label("namespace.yaml"));
    let enforced = &label("access.yaml")["pod-security.kubernetes.io/enforce"];
    assert_eq!(enforced, "restricted");
}

#[test]
fn the_role_is_bound_and_all_is_in_the_namespace_that_sed_replaces() {
    let objects = read("access.yaml");
    let (role, binding) = (
        of(&objects, "Role").next().unwrap(),
        of(&objects, "RoleBinding").next().unwrap(),
    );
    assert_eq!(binding["roleRef"]["kind"], "Role");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    for rule in role["rules"].as_array().unwrap() {
        assert!(!rule.to_string().contains('*'), "{rule}");
    }
    // The cluster of the tests reads a rule a line, and holds every request against what it has read.
    let text = fs::read_to_string(root().join("deploy/k8s/access.yaml")).unwrap();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("  - { apiGroups: ["));
    assert_eq!(lines.count(), role["rules"].as_array().unwrap().len());
    for file in ADMINISTRATORS {
        for object in read(file) {
            let metadata = &object["metadata"];
            let place = if object["kind"] == "Namespace" {
                "name"
            } else {
                "namespace"
            };
            assert_eq!(metadata[place], "lab-run", "{object}");
        }
        let text = fs::read_to_string(root().join("deploy/k8s").join(file)).unwrap();
        let objects = text.lines().filter(|line| !line.starts_with('#'));
        for line in objects {
            assert!(line.matches("lab-run").count() <= 1, "{line}");
        }
    }
}

/// Whether a rule of a policy, `from` or `to`, is about the pods with `labels` in the policy's namespace (or, without
/// labels, about somebody elsewhere), and about the port.
fn allows(rule: &Value, side: &str, labels: Option<&str>, protocol: &str, port: u64) -> bool {
    let peers = rule[side].as_array();
    let peer = peers.is_none_or(|peers| {
        peers.iter().any(|peer| {
            assert!(peer["namespaceSelector"].is_null() && peer["ipBlock"].is_null());
            labels.is_some_and(|labels| selects(&peer["podSelector"], labels))
        })
    });
    let ports = rule["ports"].as_array();
    let port = ports.is_none_or(|ports| {
        ports
            .iter()
            .any(|to| to["protocol"] == protocol && to["port"] == port)
    });
    peer && port
}

fn selects(selector: &Value, app: &str) -> bool {
    assert!(selector["matchExpressions"].is_null());
    let labels = selector["matchLabels"].as_object();
    labels.is_none_or(|labels| {
        labels
            .iter()
            .all(|(key, value)| key == "app" && value == app)
    })
}

/// As Kubernetes has it where all is denied: each end that is a pod of the namespace must allow it.
fn passes(from: Option<&str>, to: Option<&str>, protocol: &str, port: u64) -> bool {
    let policies = read("network.yaml");
    let end = |app: &str, list: &str, side: &str, other: Option<&str>| {
        policies
            .iter()
            .filter(|policy| selects(&policy["spec"]["podSelector"], app))
            .flat_map(|policy| policy["spec"][list].as_array().into_iter().flatten())
            .any(|rule| allows(rule, side, other, protocol, port))
    };
    from.is_none_or(|from| end(from, "egress", "to", to))
        && to.is_none_or(|to| end(to, "ingress", "from", from))
}

#[test]
fn a_run_works_where_the_network_lets_nobody_talk_unless_told() {
    let services = [
        ("api", 8080),
        ("worker", 8081),
        ("dep", 8082),
        ("auditor", 8083),
    ];
    for (service, port) in services {
        assert!(
            passes(Some("load"), Some(service), "TCP", port),
            "{service}"
        );
        assert!(
            passes(Some(service), None, "UDP", 53),
            "{service}: no names"
        );
        // Nobody from elsewhere gets in, and no code under test gets out.
        assert!(!passes(None, Some(service), "TCP", port), "{service}");
        assert!(!passes(Some(service), None, "TCP", 443), "{service}");
    }
    for (from, to, port) in [
        ("api", "dep", 8082),
        ("api", "postgres", 5432),
        ("auditor", "postgres", 5432),
    ] {
        assert!(passes(Some(from), Some(to), "TCP", port), "{from} to {to}");
    }
    assert!(passes(Some("load"), None, "TCP", 80), "no --target");
    assert!(!passes(None, Some("postgres"), "TCP", 5432));
}

#[test]
fn the_scripts_and_k3d_know_the_same_image_and_ports() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let image = format!("lab:{}", env!("CARGO_PKG_VERSION"));
    let objects = objects();
    for deployment in of(&objects, "Deployment") {
        assert_eq!(containers(deployment)[0]["image"], image);
    }
    assert!(read("scripts/cluster.sh").contains(&format!("image: {image}|")));
    let k3d = read("deploy/k3d.yaml");
    for service in of(&objects, "Service") {
        if let Some(port) = service["spec"]["ports"][0]["nodePort"].as_u64() {
            assert!(
                k3d.contains(&format!("\"127.0.0.1:{port}:{port}\"")),
                "{port}"
            );
            assert!(read("scripts/smoke.sh").contains(&format!("127.0.0.1:{port}")));
        }
    }
}
