"""What the cluster of the tests lets somebody do. Each request that the real `kubectl` would make is held against the
Role of the file FAKE_ACCESS, which there is in a namespace only where the namespace is, and each pod against the Pod
Security Standard `restricted`. Who calls with FAKE_ADMIN=1 may do everything. `kubectl unused` names the rights that
no request has needed so far; `kubectl admit` judges the pods of a list."""

import json, os, pathlib, re, sys

# The API groups and the names of what is applied, as a Role has them.
KINDS = {"Namespace": ("", "namespaces"), "Secret": ("", "secrets"), "Service": ("", "services"),
         "Deployment": ("apps", "deployments"), "StatefulSet": ("apps", "statefulsets"), "Job": ("batch", "jobs"),
         "HorizontalPodAutoscaler": ("autoscaling", "horizontalpodautoscalers"),
         "Lease": ("coordination.k8s.io", "leases")}
RULE = re.compile(r"  - \{ apiGroups: \[(.*)\], resources: \[(.*)\], verbs: \[(.*)\] \}")


class Forbidden(Exception):
    """What an API server says to who may not."""

    def status(self):
        """As it answers."""
        return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                           "message": str(self), "reason": "Forbidden", "code": 403}).encode()


def told(kind, error, trace):
    """As `kubectl` tells it."""
    if kind is not Forbidden:
        return sys.__excepthook__(kind, error, trace)
    print(f"Error from server (Forbidden): {error}", file=sys.stderr)


sys.excepthook = told


def granted():
    """What the Role gives: verb, group, resource. It is taken to be applied for each namespace of runs."""
    rights = set()
    for rule in filter(None, map(RULE.fullmatch, pathlib.Path(os.environ["FAKE_ACCESS"]).read_text().splitlines())):
        groups, resources, verbs = ([word.strip(' "') for word in part.split(",")] for part in rule.groups())
        rights |= {(verb, group, resource) for verb in verbs for group in groups for resource in resources}
    return rights


GRANTED, USED = granted(), set()
STATE = pathlib.Path(os.environ["FAKE_CLUSTER"])
USED_FILE = STATE / "used"
NAMESPACE = next((a.split("=", 1)[1] for a in sys.argv if a.startswith("--namespace=")), "default")


def may(verb, group, resource, name="", namespace=NAMESPACE):
    """Holds a request against the Role."""
    if os.environ.get("FAKE_ADMIN"):
        return
    right = (verb, group, resource)
    if right not in GRANTED or not (STATE / f"namespace-{namespace}").exists():
        named = f'{resource} "{name}"' if name else resource
        raise Forbidden(f'{named} is forbidden: User "ada" cannot {verb} resource "{resource}" in API group "{group}" '
                        f'in the namespace "{namespace}"')
    if right not in USED:
        USED.add(right)
        with open(USED_FILE, "a") as used:
            used.write(" ".join(right) + "\n")


VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PATH = re.compile(r"/apis?/(?:v1|([^/]+)/[^/]+)/namespaces/([^/?]+)(?:/([^/?]+)(?:/([^/?]+)(?:/([^/?]+))?)?)?(?:[/?].*)?")


def may_ask(method, path):
    """The same for a request to the API server itself."""
    group, namespace, resource, name, part = PATH.fullmatch(path).groups(default="")
    if not resource:
        resource, name = "namespaces", namespace
    get = "get" if name else "watch" if "watch=" in path else "list"
    # In a path to a port of a pod that stands after its name.
    may(VERBS.get(method, get), group, f"{resource}/{part}" if part else resource, name.split(":")[0], namespace)


def may_apply(item):
    """What `kubectl apply` does: it looks, and then it makes or corrects."""
    kind, name = item["kind"], item["metadata"]["name"]
    for verb in ("get", "create", "patch"):
        may(verb, *KINDS[kind], name)
    admit(item)


def may_create(item):
    """What `kubectl create` does."""
    may("create", *KINDS[item["kind"]], item["metadata"]["name"])
    admit(item)


def may_attach(pod):
    """What `kubectl attach` does, in its versions."""
    may("get", "", "pods", pod)
    for verb in ("get", "create"):
        may(verb, "", "pods/attach", pod)


def may_delete(resources):
    """What `kubectl delete` does to all that a selector has."""
    groups = {resource: group for group, resource in KINDS.values()}
    for resource in resources.split(","):
        may("list", groups[resource], resource)
        may("delete", groups[resource], resource)


# What the Pod Security Standard `restricted` lets a pod have.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
           "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
           "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
           "net.ipv4.tcp_keepalive_probes"}
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec):
    """Why a pod is not admitted to a namespace that enforces it."""
    containers = [c for kind in ("containers", "initContainers", "ephemeralContainers") for c in spec.get(kind, [])]
    pod = spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"
    if not {entry["name"] for entry in pod.get("sysctls", [])} <= SYSCTLS:
        yield "sysctls"
    yield from (f"pod: {why}" for why in of_both(pod))
    for container in containers:
        own = container.get("securityContext", {})
        name = container["name"]
        yield from (f"container {name}: {why}" for why in [*of_both(own), *of_container(container, own)])
        if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
            yield f"container {name}: runAsNonRoot != true"
        if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"container {name}: seccompProfile"


def of_both(context):
    """What a pod's and a container's security context have alike."""
    if context.get("runAsUser") == 0:
        yield "runAsUser=0"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"
    if context.get("appArmorProfile", {}).get("type") not in (None, "RuntimeDefault", "Localhost"):
        yield "appArmorProfile"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type") not in SELINUX or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"


def of_container(container, context):
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation != false"
    if context.get("privileged"):
        yield "privileged"
    if context.get("procMount") not in (None, "Default"):
        yield "procMount"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    handlers = [container.get(probe, {}) for probe in ("readinessProbe", "livenessProbe", "startupProbe")]
    handlers += container.get("lifecycle", {}).values()
    if any(handler.get(way, {}).get("host") for handler in handlers for way in ("httpGet", "tcpSocket")):
        yield "host of a probe"


def admit(item):
    """As where the namespace enforces the standard, as ours do. There the object is made, and its pods are refused."""
    spec = item.get("spec", {}).get("template", {}).get("spec")
    if spec is not None and (reasons := list(violations(spec))):
        raise Forbidden(f'pods "{item["metadata"]["name"]}" is forbidden: violates PodSecurity "restricted:latest": '
                        + ", ".join(reasons))


def admit_all(items):
    for item in items:
        admit(item)


def unused():
    """The rights that no request has needed."""
    used = {tuple(line.split(" ")) for line in (USED_FILE).read_text().splitlines()}
    for verb, group, resource in sorted(GRANTED - used):
        print(verb, f"{resource}.{group}" if group else resource)
