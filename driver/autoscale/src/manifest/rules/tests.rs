//! One line a rule: what is written, and what an API server of Kubernetes 1.36 says (`kubectl apply --dry-run=server
//! --validate=strict`): nothing, or the field that it refuses.

use std::path::Path;

use crate::manifest::{ManifestError, parse_deployment, parse_hpa};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: { name: api, namespace: lab }
spec:
  selector: { matchLabels: { app: api } }
  template:
    metadata: { labels: { app: api } }
    spec:
      containers:
        - name: api
          image: lab:1
";

const HPA: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: api, namespace: lab }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: api }
  maxReplicas: 4
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: { type: Utilization, averageUtilization: 60 }
";

const OK: &str = "";

/// What is replaced, and by what.
type Edit = (&'static str, String);

fn swap(from: &'static str, to: &str) -> Edit {
    (from, to.to_owned())
}

/// A line more in the spec of the Deployment.
fn spec(line: &str) -> Edit {
    ("  selector:", format!("  {line}\n  selector:"))
}

/// A line more in the spec of the pods.
fn pod(line: &str) -> Edit {
    ("      containers:", format!("      {line}\n      containers:"))
}

/// A line more in the container.
fn container(line: &str) -> Edit {
    ("image: lab:1", format!("image: lab:1\n          {line}"))
}

/// Another container.
fn beside(line: &str) -> Edit {
    ("image: lab:1", format!("image: lab:1\n        - {line}"))
}

/// A line more in the spec of the autoscaler.
fn hpa(line: &str) -> Edit {
    ("  maxReplicas: 4", format!("  maxReplicas: 4\n  {line}"))
}

/// Another target of the metric.
fn target(flow: &str) -> Edit {
    ("{ type: Utilization, averageUtilization: 60 }", flow.to_owned())
}

fn judge<T>(
    text: &str,
    cases: Vec<(Edit, &str)>,
    parse: impl Fn(&Path, &str) -> Result<T, ManifestError>,
) {
    let mut wrong = Vec::new();
    for ((from, to), field) in cases {
        assert!(text.contains(from), "{from}");
        let said = match parse(Path::new("x.yaml"), &text.replacen(from, &to, 1)) {
            Ok(_) => OK.to_owned(),
            Err(error) => error.to_string(),
        };
        let named = said.split_once(": ").map_or("", |(_, what)| what);
        let fits = match field {
            OK => said.is_empty(),
            field => named.strip_prefix(field).is_some_and(|rest| rest.starts_with([' ', ':'])),
        };
        if !fits {
            wrong.push(format!("{to}\n  wanted `{field}`, got `{said}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn deployments(cases: Vec<(Edit, &str)>) {
    judge(DEPLOYMENT, cases, parse_deployment);
}

fn autoscalers(cases: Vec<(Edit, &str)>) {
    judge(HPA, cases, parse_hpa);
}

#[test]
fn no_scalar_becomes_another() {
    const ENV: &str = "spec.template.spec.containers[0].env[0].value";
    deployments(vec![
        (container("env: [{ name: A, value: 8080 }]"), ENV),
        (container("env: [{ name: A, value: true }]"), ENV),
        (container("env: [{ name: A, value: yes }]"), ENV),
        (container("env: [{ name: A, value: 1.5 }]"), ENV),
        (container("env: [{ name: A, value: [x] }]"), ENV),
        (container("env: [{ name: A, value: \"8080\" }]"), OK),
        (container("env: [{ name: A, value: 'yes' }]"), OK),
        (container("env: [{ name: A, value: 12:30 }]"), OK),
        (container("env: [{ name: A, value: 2026-01-02 }]"), OK),
        (container("env: [{ name: A, value: }]"), OK),
        (container("args: [1]"), "spec.template.spec.containers[0].args[0]"),
        (container("args: run"), "spec.template.spec.containers[0].args"),
        (container("tty: \"true\""), "spec.template.spec.containers[0].tty"),
        (container("tty: on"), OK),
        (container("ports: [{ containerPort: \"80\" }]"), "spec.template.spec.containers[0].ports[0].containerPort"),
        (container("ports: { containerPort: 80 }"), "spec.template.spec.containers[0].ports"),
        (container("resources: [cpu]"), "spec.template.spec.containers[0].resources"),
        (spec("replicas: \"2\""), "spec.replicas"),
        (spec("replicas: 1.5"), "spec.replicas"),
        (spec("replicas: 3000000000"), "spec.replicas"),
        (spec("replicas: 2.0"), OK),
        (spec("replicas: 0x2"), OK),
        (spec("replicas: ~"), OK),
        (spec("paused: \"no\""), "spec.paused"),
        (spec("Replicas: 2"), "spec.Replicas"),
        (spec("strategy: { rollingUpdate: { maxSurge: 1.5 } }"), "spec.strategy.rollingUpdate.maxSurge"),
        (spec("strategy: { rollingUpdate: { maxSurge: true } }"), "spec.strategy.rollingUpdate.maxSurge"),
        (swap("namespace: lab", "namespace: lab, labels: { version: 1.0 }"), "metadata.labels.version"),
        (swap("namespace: lab", "namespace: lab, annotations: { a: true }"), "metadata.annotations.a"),
        (swap("namespace: lab", "namespace: lab, labels: { a: }"), OK),
        (swap("namespace: lab", "namespace: lab, creationTimestamp: null"), OK),
        (swap("namespace: lab", "namespace: lab, creationTimestamp: now"), "metadata.creationTimestamp"),
        (swap("name: api,", "name: 1,"), "metadata.name"),
    ]);
    autoscalers(vec![
        (swap("maxReplicas: 4", "maxReplicas: \"4\""), "spec.maxReplicas"),
        (swap("maxReplicas: 4", "maxReplicas: 4.5"), "spec.maxReplicas"),
        (swap("maxReplicas: 4", "maxReplicas: four"), "spec.maxReplicas"),
        (swap("maxReplicas: 4", "maxReplicas: on"), "spec.maxReplicas"),
        (swap("maxReplicas: 4", "maxReplicas: 010"), OK),
        (swap("maxReplicas: 4", "maxReplicas: 1_0"), OK),
        (swap("maxReplicas: 4", "maxReplicas: 4.0"), OK),
        (target("{ type: Utilization, averageUtilization: 60.0 }"), OK),
        (target("{ type: Utilization, averageUtilization: 60% }"), "spec.metrics[0].resource.target.averageUtilization"),
    ]);
}

#[test]
fn amounts() {
    let resources = |text: &str| container(&format!("resources: {text}"));
    let at = |rest: &str| format!("spec.template.spec.containers[0].resources.{rest}");
    let (limits, requests) = (at("limits.memory"), at("requests.memory"));
    let [cpu, cpu_limit] = [at("requests.cpu"), at("limits.cpu")];
    let gpu = at("requests.example.org/gpu");
    deployments(vec![
        (resources("{ limits: { memory: 32MB } }"), &limits),
        (resources("{ limits: { memory: 32mb } }"), &limits),
        (resources("{ limits: { memory: 64 Mi } }"), &limits),
        (resources("{ limits: { memory: true } }"), &limits),
        (resources("{ limits: { memory: \"\" } }"), &limits),
        (resources("{ limits: { memory: 32M, cpu: 1 } }"), OK),
        (resources("{ limits: { memory: 1e3, cpu: .5 } }"), OK),
        (resources("{ limits: { memory: 128Mi }, requests: { memory: 1Gi } }"), &requests),
        (resources("{ limits: { memory: 1Gi }, requests: { memory: 1025Mi } }"), &requests),
        (resources("{ limits: { memory: 1Gi }, requests: { memory: 1024Mi } }"), OK),
        (resources("{ limits: { memory: 1G }, requests: { memory: 1Gi } }"), &requests),
        (resources("{ limits: { cpu: 0.1m }, requests: { cpu: 50m } }"), &cpu),
        (resources("{ limits: { cpu: 0.1m }, requests: { cpu: 1m } }"), OK),
        (resources("{ limits: { cpu: 010 }, requests: { cpu: 8 } }"), OK),
        (resources("{ limits: { cpu: -1 } }"), &cpu_limit),
        (resources("{ limits: { cpu: }, requests: { cpu: 1m } }"), &cpu),
        (resources("{ requests: { cpus: 1 } }"), &at("requests.cpus")),
        (resources("{ requests: { example.org/gpu: 1 } }"), &gpu),
        (resources("{ requests: { example.org/gpu: 1 }, limits: { example.org/gpu: 2 } }"), &gpu),
        (resources("{ limits: { example.org/gpu: 1 } }"), OK),
        (resources("{ limits: { example.org/gpu: 1.5 } }"), &at("limits.example.org/gpu")),
        (resources("{ limit: { cpu: 1 } }"), &at("limit")),
    ]);
    autoscalers(vec![
        (hpa("behavior: { scaleUp: { tolerance: -0.1 } }"), "spec.behavior.scaleUp.tolerance"),
        (hpa("behavior: { scaleUp: { tolerance: 10% } }"), "spec.behavior.scaleUp.tolerance"),
        (hpa("behavior: { scaleUp: { tolerance: 0 } }"), OK),
    ]);
}

#[test]
fn names_and_labels() {
    let long = "a".repeat(64);
    deployments(vec![
        (swap("name: api,", "name: My_API,"), "metadata.name"),
        (swap("name: api,", "name: api-,"), "metadata.name"),
        (swap("name: api,", "name: api.v1,"), OK),
        (swap("name: api,", "name: \"\","), "metadata.name"),
        (swap("name: api,", ""), "metadata.name"),
        (swap("namespace: lab", "namespace: lab.x"), "metadata.namespace"),
        (swap("namespace: lab", "namespace: \"\""), OK),
        (swap("namespace: lab", "namespace: lab, labels: { a b: c }"), "metadata.labels.a b"),
        (swap("namespace: lab", "namespace: lab, labels: { a/b/c: d }"), "metadata.labels.a/b/c"),
        (swap("namespace: lab", "namespace: lab, labels: { UP.org/a: b }"), "metadata.labels.UP.org/a"),
        (swap("namespace: lab", "namespace: lab, labels: { a: b c }"), "metadata.labels.a"),
        (swap("namespace: lab", "namespace: lab, labels: { a: -b }"), "metadata.labels.a"),
        (swap("namespace: lab", &format!("namespace: lab, labels: {{ a: {long} }}")), "metadata.labels.a"),
        (swap("namespace: lab", "namespace: lab, labels: { example.org/a_b.c: D-e_f.g }"), OK),
        (swap("namespace: lab", "namespace: lab, annotations: { a b: c }"), "metadata.annotations.a b"),
        (swap("namespace: lab", "namespace: lab, annotations: { Example.org/A: \"any: text\" }"), OK),
        (swap("namespace: lab", "namespace: lab, finalizers: [mine]"), "metadata.finalizers[0]"),
        (swap("labels: { app: api } }\n    spec", "labels: { app: api, b: c d } }\n    spec"), "spec.template.metadata.labels.b"),
        (swap("- name: api", "- name: Api"), "spec.template.spec.containers[0].name"),
        (swap("- name: api", "- name: a.b"), "spec.template.spec.containers[0].name"),
        (swap("- name: api", "- image: x"), "`image` is there twice in one mapping;"),
    ]);
}

#[test]
fn selectors() {
    let selector = |text: &str| swap("{ matchLabels: { app: api } }", text);
    let [labels, selecting] = ["spec.template.metadata.labels", "spec.selector"];
    let expression = "spec.selector.matchExpressions[0]";
    let at = |rest: &str| format!("{expression}.{rest}");
    deployments(vec![
        (selector("{ matchExpressions: [{ key: app, operator: In, values: [api] }] }"), OK),
        (selector("{ matchExpressions: [{ key: app, operator: NotIn, values: [web] }] }"), OK),
        (selector("{ matchExpressions: [{ key: app, operator: Exists }] }"), OK),
        (selector("{ matchExpressions: [{ key: web, operator: DoesNotExist }] }"), OK),
        (selector("{ matchExpressions: [{ key: app, operator: In, values: [web] }] }"), labels),
        (selector("{ matchExpressions: [{ key: app, operator: NotIn, values: [api] }] }"), labels),
        (selector("{ matchExpressions: [{ key: web, operator: Exists }] }"), labels),
        (selector("{ matchExpressions: [{ key: app, operator: DoesNotExist }] }"), labels),
        (selector("{ matchLabels: { app: api }, matchExpressions: [{ key: web, operator: Exists }] }"), labels),
        (selector("{ matchLabels: { app: web } }"), labels),
        (selector("{ matchExpressions: [{ key: app, operator: in, values: [api] }] }"), &at("operator")),
        (selector("{ matchExpressions: [{ key: app, operator: In }] }"), &at("values")),
        (selector("{ matchExpressions: [{ key: app, operator: Exists, values: [api] }] }"), &at("values")),
        (selector("{ matchExpressions: [{ key: a b, operator: Exists }] }"), &at("key")),
        (selector("{ matchExpressions: [{ key: app, operator: In, values: [a b] }] }"), &at("values[0]")),
        (selector("{ matchLabels: { app: a b } }"), "spec.selector.matchLabels.app"),
        (selector("{ app: api }"), "spec.selector.app"),
        (selector("{}"), selecting),
        (selector("{ matchLabels: {} }"), selecting),
        (swap("  selector: { matchLabels: { app: api } }\n", ""), selecting),
        (swap("    metadata: { labels: { app: api } }\n", ""), labels),
    ]);
}

#[test]
fn rollouts() {
    let strategy = |text: &str| spec(&format!("strategy: {text}"));
    let rolling = |text: &str| strategy(&format!("{{ rollingUpdate: {text} }}"));
    let [unavailable, surge] = ["maxUnavailable", "maxSurge"].map(|field| format!("spec.strategy.rollingUpdate.{field}"));
    deployments(vec![
        (spec("replicas: -1"), "spec.replicas"),
        (spec("replicas: 0"), OK),
        (strategy("{}"), OK),
        (strategy("{ type: Recreate }"), OK),
        (strategy("{ type: Rolling }"), "spec.strategy.type"),
        (strategy("{ type: Recreate, rollingUpdate: {} }"), "spec.strategy.rollingUpdate"),
        (rolling("{ maxSurge: 1, maxUnavailable: 0 }"), OK),
        (rolling("{ maxSurge: 150%, maxUnavailable: 100% }"), OK),
        (rolling("{ maxSurge: 0, maxUnavailable: 0 }"), &unavailable),
        (rolling("{ maxSurge: 0%, maxUnavailable: 0 }"), &unavailable),
        (rolling("{ maxSurge: 0 }"), OK),
        (rolling("{ maxUnavailable: 101% }"), &unavailable),
        (rolling("{ maxUnavailable: -1 }"), &unavailable),
        (rolling("{ maxSurge: \"1\" }"), &surge),
        (rolling("{ maxSurge: half }"), &surge),
        (spec("minReadySeconds: -1"), "spec.minReadySeconds"),
        (spec("minReadySeconds: 600"), "spec.progressDeadlineSeconds"),
        (spec("progressDeadlineSeconds: 0"), "spec.progressDeadlineSeconds"),
        (spec("revisionHistoryLimit: -1"), "spec.revisionHistoryLimit"),
        (swap("apps/v1", "extensions/v1beta1"), "expected apps/v1 Deployment, found extensions/v1beta1 Deployment;"),
    ]);
}

#[test]
fn pods() {
    let at = |rest: &str| format!("spec.template.spec.{rest}");
    let spread = |text: &str| pod(&format!("topologySpreadConstraints: [{text}]"));
    let near = |text: &str| pod(&format!("affinity: {{ podAffinity: {{ requiredDuringSchedulingIgnoredDuringExecution: [{text}] }} }}"));
    deployments(vec![
        (pod("restartPolicy: Always"), OK),
        (pod("restartPolicy: OnFailure"), &at("restartPolicy")),
        (pod("restartPolicy: always"), &at("restartPolicy")),
        (pod("activeDeadlineSeconds: 10"), &at("activeDeadlineSeconds")),
        (pod("dnsPolicy: Cluster"), &at("dnsPolicy")),
        (pod("dnsPolicy: None"), &at("dnsConfig.nameservers")),
        (pod("nodeSelector: { a: b c }"), &at("nodeSelector.a")),
        (pod("serviceAccountName: Robot"), &at("serviceAccountName")),
        (pod("hostname: a.b"), &at("hostname")),
        // The server warns of it, and takes it.
        (pod("imagePullSecrets: [{}]"), OK),
        (pod("hostAliases: [{ ip: 010.0.0.1, hostnames: [A] }]"), &at("hostAliases[0].hostnames[0]")),
        (pod("hostAliases: [{ ip: 010.0.0.1, hostnames: [a] }]"), OK),
        (pod("tolerations: [{ operator: Exists }]"), OK),
        (pod("tolerations: [{ key: a, operator: Exists, value: b }]"), &at("tolerations[0].value")),
        (pod("tolerations: [{ value: b }]"), &at("tolerations[0].operator")),
        (pod("tolerations: [{ key: a, effect: NoRun }]"), &at("tolerations[0].effect")),
        (pod("tolerations: [{ key: a, tolerationSeconds: 1 }]"), &at("tolerations[0].effect")),
        (spread("{ maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule }"), OK),
        (spread("{ maxSkew: 0, topologyKey: zone, whenUnsatisfiable: DoNotSchedule }"), &at("topologySpreadConstraints[0].maxSkew")),
        (spread("{ maxSkew: 1, topologyKey: zone }"), &at("topologySpreadConstraints[0].whenUnsatisfiable")),
        (spread("{ maxSkew: 1, topologyKey: a b, whenUnsatisfiable: DoNotSchedule }"), OK),
        (spread("{ maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule }, { maxSkew: 2, topologyKey: a, whenUnsatisfiable: DoNotSchedule }"), &at("topologySpreadConstraints[1]")),
        (near("{ topologyKey: zone }"), OK),
        (near("{ topologyKey: a b }"), &at("affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey")),
        (near("{ labelSelector: {} }"), &at("affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey")),
        (pod("securityContext: { runAsUser: -1 }"), &at("securityContext.runAsUser")),
        (pod("securityContext: { seccompProfile: { type: Default } }"), &at("securityContext.seccompProfile.type")),
        (pod("securityContext: { runAsNonRoot: true, runAsUser: 65532 }"), OK),
        (pod("securityContext: { runAsUser: 2147483648 }"), &at("securityContext.runAsUser")),
        (pod("securityContext: { seccompProfile: { type: Localhost } }"), &at("securityContext.seccompProfile.localhostProfile")),
        (pod("securityContext: { seccompProfile: { type: Localhost, localhostProfile: \"\" } }"), OK),
        (pod("volumes: [{ name: a }, { name: a }]"), &at("volumes[1].name")),
        (pod("volumes: [{ name: a_b }]"), &at("volumes[0].name")),
        (pod("volumes: [{ name: a, emptyDir: {}, hostPath: { path: / } }]"), &at("volumes[0].hostPath")),
        (pod("volumes: [{ name: a, secret: {} }]"), &at("volumes[0].secret.secretName")),
        (pod("volumes: [{ name: a, emptyDir: { sizeLimit: 1MB } }]"), &at("volumes[0].emptyDir.sizeLimit")),
        (pod("volumes: [{ name: a, emptyDir: { medium: Disk } }]"), OK),
        (pod("initContainers: [{ name: api, image: x }]"), &at("initContainers[0].name")),
        (pod("initContainers: [{ name: a, image: x, readinessProbe: { tcpSocket: { port: 1 } } }]"), &at("initContainers[0].readinessProbe")),
        (pod("initContainers: [{ name: a, image: x, restartPolicy: Always, readinessProbe: { tcpSocket: { port: 1 } } }]"), OK),
        (swap("      containers:\n        - name: api\n          image: lab:1\n", "      containers: []\n"), &at("containers")),
        (pod("container: []"), &at("container")),
    ]);
}

#[test]
fn containers() {
    let at = |rest: &str| format!("spec.template.spec.containers[0].{rest}");
    let second = |rest: &str| format!("spec.template.spec.containers[1].{rest}");
    let source = "env: [{ name: A, valueFrom: ";
    deployments(vec![
        (swap("          image: lab:1\n", ""), &at("image")),
        (swap("image: lab:1", "image: \"\""), &at("image")),
        (beside("{ name: api, image: x }"), &second("name")),
        (beside("{ image: x }"), &second("name")),
        (beside("{ name: web, image: x }"), OK),
        (container("imagePullPolicy: Sometimes"), &at("imagePullPolicy")),
        (container("terminationMessagePolicy: Log"), &at("terminationMessagePolicy")),
        (container("ports: [{ containerPort: 80800 }]"), &at("ports[0].containerPort")),
        (container("ports: [{ containerPort: 0 }]"), &at("ports[0].containerPort")),
        (container("ports: [{ name: http }]"), &at("ports[0].containerPort")),
        (container("ports: [{ containerPort: 80, protocol: tcp }]"), &at("ports[0].protocol")),
        (container("ports: [{ containerPort: 80, hostPort: -1 }]"), &at("ports[0].hostPort")),
        (container("ports: [{ containerPort: 80, name: a-name-too-long-x }]"), &at("ports[0].name")),
        (container("ports: [{ containerPort: 80, name: HTTP }]"), &at("ports[0].name")),
        (container("ports: [{ containerPort: 80, name: \"80\" }]"), &at("ports[0].name")),
        (container("ports: [{ containerPort: 80, name: a--b }]"), &at("ports[0].name")),
        (container("ports: [{ containerPort: 80, name: fifteen-letters }]"), OK),
        (container("ports: [{ containerPort: 1, name: a }, { containerPort: 2, name: a }]"), &at("ports[1].name")),
        (container("ports: [{ containerPort: 1, hostPort: 9 }, { containerPort: 2, hostPort: 9 }]"), &at("ports[1].hostPort")),
        (container("ports: [{ containerPort: 1, hostPort: 9, hostIP: 0.0.0.0 }, { containerPort: 2, hostPort: 9 }]"), OK),
        (container("ports: [{ containerPort: 1, hostPort: 0 }, { containerPort: 1, hostPort: 0 }]"), OK),
        (swap("      containers:\n        - name: api\n", "      hostNetwork: true\n      containers:\n        - name: api\n          ports: [{ containerPort: 1 }, { containerPort: 1 }]\n"), OK),
        (swap("      containers:\n        - name: api\n", "      hostNetwork: true\n      containers:\n        - name: api\n          ports: [{ containerPort: 1, hostPort: 2 }]\n"), &at("ports[0].hostPort")),
        (container("env: [{ value: x }]"), &at("env[0].name")),
        (container("env: [{ name: A=B, value: x }]"), &at("env[0].name")),
        (container("env: [{ name: a.b-c, value: x }, { name: a.b-c, value: z }]"), OK),
        (container(&format!("{source} {{}} }}]")), &at("env[0].valueFrom")),
        (container(&format!("{source} {{ secretKeyRef: {{ name: a, key: b }} }}, value: x }}]")), &at("env[0].valueFrom")),
        (container(&format!("{source} {{ secretKeyRef: {{ name: a }} }} }}]")), &at("env[0].valueFrom.secretKeyRef.key")),
        (container(&format!("{source} {{ fieldRef: {{ fieldPath: status.podIP }} }} }}]")), OK),
        (container(&format!("{source} {{ fieldRef: {{ fieldPath: spec.host }} }} }}]")), OK),
        (container(&format!("{source} {{ secretKeyRef: {{ name: A, key: b }} }} }}]")), &at("env[0].valueFrom.secretKeyRef.name")),
        (container(&format!("{source} {{ configMapKeyRef: {{ key: b }} }} }}]")), &at("env[0].valueFrom.configMapKeyRef.name")),
        (container(&format!("{source} {{ fieldRef: {{ fieldPath: status.phase }} }} }}]")), &at("env[0].valueFrom.fieldRef.fieldPath")),
        (container(&format!("{source} {{ resourceFieldRef: {{ resource: cpu }} }} }}]")), &at("env[0].valueFrom.resourceFieldRef.resource")),
        (container("envFrom: [{ prefix: A }]"), &at("envFrom[0]")),
        (container("envFrom: [{ secretRef: {} }]"), &at("envFrom[0].secretRef.name")),
        (container("volumeMounts: [{ name: a, mountPath: /a }]"), &at("volumeMounts[0].name")),
        (container("securityContext: { privileged: true, allowPrivilegeEscalation: false }"), &at("securityContext.allowPrivilegeEscalation")),
        (swap("- name: api", "- name: web"), "spec.template.spec.containers"),
    ]);
}

#[test]
fn probes() {
    let at = |rest: &str| format!("spec.template.spec.containers[0].{rest}");
    let ready = |text: &str| container(&format!("readinessProbe: {text}"));
    let alive = |text: &str| container(&format!("livenessProbe: {text}"));
    let hook = |text: &str| container(&format!("lifecycle: {{ preStop: {text} }}"));
    deployments(vec![
        (ready("{ httpGet: { port: http } }"), OK),
        (ready("{ httpGet: { port: 8080 } }"), OK),
        (ready("{ httpGet: { port: \"8080\" } }"), &at("readinessProbe.httpGet.port")),
        (ready("{ httpGet: { path: / } }"), &at("readinessProbe.httpGet.port")),
        (ready("{ httpGet: { port: 1, scheme: https } }"), &at("readinessProbe.httpGet.scheme")),
        (ready("{ httpGet: { port: 70000 } }"), &at("readinessProbe.httpGet.port")),
        (ready("{ httpGet: { port: 1 }, tcpSocket: { port: 1 }, periodSeconds: -1 }"), &at("readinessProbe.tcpSocket")),
        (ready("{}"), &at("readinessProbe")),
        (ready("{ exec: {} }"), &at("readinessProbe.exec.command")),
        (ready("{ tcpSocket: { port: 1 }, periodSeconds: -1 }"), &at("readinessProbe.periodSeconds")),
        (ready("{ tcpSocket: { port: 1 }, timeoutSeconds: 0 }"), OK),
        (ready("{ tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 5 }"), &at("readinessProbe.terminationGracePeriodSeconds")),
        (ready("{ tcpSocket: { port: 1 }, successThreshold: 2 }"), OK),
        (alive("{ tcpSocket: { port: 1 }, successThreshold: 2 }"), &at("livenessProbe.successThreshold")),
        (alive("{ grpc: { port: 0 } }"), &at("livenessProbe.grpc.port")),
        (alive("{ grpc: { port: 8080 } }"), OK),
        (hook("{ sleep: { seconds: 5 } }"), OK),
        (hook("{ sleep: { seconds: 0 } }"), OK),
        (hook("{ sleep: { seconds: 31 } }"), &at("lifecycle.preStop.sleep.seconds")),
        (swap("image: lab:1", "image: lab:1\n          lifecycle: { preStop: { sleep: { seconds: 1 } } }\n      terminationGracePeriodSeconds: 0"), &at("lifecycle.preStop.sleep.seconds")),
        (hook("{}"), &at("lifecycle.preStop")),
    ]);
}

#[test]
fn autoscaler() {
    let reference = |text: &str| swap("{ apiVersion: apps/v1, kind: Deployment, name: api }", text);
    let at = |rest: &str| format!("spec.scaleTargetRef.{rest}");
    autoscalers(vec![
        (swap("name: api, namespace", "name: My_API, namespace"), "metadata.name"),
        (swap("name: api, namespace", "namespace"), "metadata.name"),
        (hpa("minReplicas: 0"), "spec.minReplicas"),
        (hpa("minReplicas: 5"), "spec.maxReplicas"),
        (hpa("minReplicas: 4"), OK),
        (swap("maxReplicas: 4", "maxReplicas: 0"), "spec.maxReplicas"),
        (swap("  maxReplicas: 4\n", ""), "spec.maxReplicas"),
        (reference("{ apiVersion: apps/v1, kind: Deployment }"), &at("name")),
        (reference("{ apiVersion: apps/v1, kind: Deployment, name: \"\" }"), &at("name")),
        (reference("{ apiVersion: apps/v1, kind: Deployment, name: a/b }"), &at("name")),
        (reference("{ apiVersion: apps/v1, kind: Deployment, name: My_API }"), OK),
        (reference("{ apiVersion: apps/v1, name: api }"), &at("kind")),
        (reference("{ kind: Deployment, name: api }"), &at("apiVersion")),
        (reference("{ apiVersion: v1, kind: Deployment, name: api }"), &at("apiVersion")),
        (reference("{ apiVersion: /v1, kind: Deployment, name: api }"), &at("apiVersion")),
        (reference("{ apiVersion: My_Group/v1, kind: Deployment, name: api }"), OK),
        (reference("{ apiVersion: v1, kind: ReplicationController, name: api }"), OK),
        (reference("{ apiVersion: a/b/c, kind: Deployment, name: api }"), &at("apiVersion")),
        (reference("{ apiVersion: apps/v1, kind: Deployment, name: api, namespace: lab }"), &at("namespace")),
        (hpa("status: {}"), "spec.status"),
        (swap("autoscaling/v2", "autoscaling/v2beta2"), "expected autoscaling/v2 HorizontalPodAutoscaler, found autoscaling/v2beta2 HorizontalPodAutoscaler;"),
        (swap("autoscaling/v2", "autoscaling/v1"), "spec.metrics"),
    ]);
}

#[test]
fn metrics() {
    // Taken by the server, and not modelled here.
    const TAKEN: &str = "spec.metrics[0].type";
    let resource = |rest: &str| format!("spec.metrics[0].resource.{rest}");
    let kind = |text: &str| swap("- type: Resource", text);
    let pods = "pods: { metric: { name: a }, target: { type: AverageValue, averageValue: 1 } }";
    let metric = |flow: &str| {
        let given = "- type: Resource\n      resource:\n        name: cpu\n        target: { type: Utilization, averageUtilization: 60 }";
        swap(given, &format!("- {flow}"))
    };
    let object = |target: &str| {
        metric(&format!("{{ type: Object, object: {{ describedObject: {{ kind: Node, name: a }}, metric: {{ name: a }}, target: {target} }} }}"))
    };
    let external = |target: &str| {
        metric(&format!("{{ type: External, external: {{ metric: {{ name: a, selector: {{ matchLabels: {{ a b: c d }} }} }}, target: {target} }} }}"))
    };
    let both = "{ type: Value, value: 1, averageValue: 1 }";
    autoscalers(vec![
        (swap("name: cpu", "name: \"\""), &resource("name")),
        (target("{ averageUtilization: 60 }"), &resource("target.type")),
        (target("{ type: utilization, averageUtilization: 60 }"), &resource("target.type")),
        (target("{ type: Utilization }"), &resource("target.averageUtilization")),
        (target("{ type: Utilization, averageUtilization: 0 }"), &resource("target.averageUtilization")),
        (target("{ type: Utilization, averageUtilization: 60, averageValue: 100m }"), &resource("target.averageValue")),
        (target("{ type: Utilization, averageUtilization: 60, value: 0 }"), &resource("target.value")),
        // The server and the controller go by the number, whatever the type says.
        (target("{ type: AverageValue, averageUtilization: 60 }"), OK),
        (object(both), TAKEN),
        (object("{ type: Value }"), "spec.metrics[0].object.target.averageValue"),
        (external("{ type: Value, value: 1 }"), TAKEN),
        (external("{ type: Value }"), "spec.metrics[0].external.target.averageValue"),
        (external(both), "spec.metrics[0].external.target.value"),
        (metric("{ type: Pods, pods: { metric: { name: a }, target: { type: Value, value: 1 } } }"), "spec.metrics[0].pods.target.averageValue"),
        (metric("{ type: ContainerResource, containerResource: { name: cpu, container: A b, target: { type: Utilization, averageUtilization: 1 } } }"), TAKEN),
        (kind("- resources:"), "spec.metrics[0].resources"),
        (kind("-"), "spec.metrics[0].type"),
        (kind("- type: resource"), "spec.metrics[0].type"),
        (kind("- type: Pods"), "spec.metrics[0].pods"),
        (kind(&format!("- type: Resource\n      {pods}")), "spec.metrics[0].pods"),
        (kind(&format!("- type: Pods\n      {pods}")), "spec.metrics[0].resource"),
        (swap("resource:\n        name: cpu\n        target: {", "targetAverageUtilization: {"), "spec.metrics[0].targetAverageUtilization"),
    ]);
}

#[test]
fn speed() {
    let up = |text: &str| hpa(&format!("behavior: {{ scaleUp: {text} }}"));
    let policy = |text: &str| up(&format!("{{ policies: [{text}] }}"));
    let at = |rest: &str| format!("spec.behavior.scaleUp.{rest}");
    autoscalers(vec![
        (hpa("behavior: {}"), OK),
        (up("~"), OK),
        (up("{ stabilizationWindowSeconds: 3600 }"), OK),
        (up("{ stabilizationWindowSeconds: 3601 }"), &at("stabilizationWindowSeconds")),
        (up("{ stabilizationWindowSeconds: -1 }"), &at("stabilizationWindowSeconds")),
        (up("{ selectPolicy: Most }"), &at("selectPolicy")),
        (up("{ selectPolicy: \"\" }"), &at("selectPolicy")),
        (up("{ policies: [] }"), &at("policies")),
        (up("{ policies: ~ }"), OK),
        (policy("{ type: Pods, value: 2, periodSeconds: 15 }"), OK),
        (policy("{ type: pods, value: 2, periodSeconds: 15 }"), &at("policies[0].type")),
        (policy("{ value: 2, periodSeconds: 15 }"), &at("policies[0].type")),
        (policy("{ type: Pods, value: 0, periodSeconds: 15 }"), &at("policies[0].value")),
        (policy("{ type: Pods, value: 2, periodSeconds: 1801 }"), &at("policies[0].periodSeconds")),
        (policy("{ type: Pods, value: 2 }"), &at("policies[0].periodSeconds")),
    ]);
}
