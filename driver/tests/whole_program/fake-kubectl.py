#!/usr/bin/env python3
"""A cluster for tests: `kubectl` as the driver calls it, with pods that are real `lab` processes, or, with
FAKE_RUNTIME=docker, containers of the image on the Docker network `lab-test`. A stand-in autoscaler does
the division of Kubernetes' algorithm, every 5 s, and no more of it.

What a command leaves for the next is in the folder FAKE_CLUSTER. LAB is the services' executable. Beside this file
are what it lets somebody do (fake_rights.py) and what a node gives to containers (fake_node.py).
FAKE_TROUBLE makes it sick: `unreachable`, `no-image`, `no-api` (the API goes silent after 6 s),
`no-way` (it reaches no pod), `no-figures` (nobody has measured a pod), `no-names` (nobody finds the dependency),
`new-addresses` (the Services go with the pods, as if somebody deleted the namespace).

A test can also do what people and nodes do to a cluster, while a run goes: `replace POD NEW` deletes a pod, and
its owner makes another of that name; `away HOW SECONDS` takes the API server away, `stopped` or `gone`;
`take WHO` takes the namespace over from the run that has it.
"""

import contextlib, fcntl, http.server, json, math, os, pathlib, re, select, signal, socket, socketserver, subprocess, sys, threading, time
import uuid
import urllib.request

sys.dont_write_bytecode = True
import fake_node as nodes
import fake_rights as rights

STATE = pathlib.Path(os.environ["FAKE_CLUSTER"])
TROUBLE = os.environ.get("FAKE_TROUBLE", "")
DOCKER = os.environ.get("FAKE_RUNTIME") == "docker"
args = [a for a in sys.argv[1:] if not a.startswith(("--context=", "--namespace="))]
NAMESPACE = next((a.split("=", 1)[1] for a in sys.argv if a.startswith("--namespace=")), "default")


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(1)


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if done.returncode:
        fail(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def alive(pid):
    if isinstance(pid, str):
        return docker("inspect", "--format", "{{.State.Running}}", pid) == "true"
    if pathlib.Path("/proc/self/stat").exists():
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        return state.strip() != "" and not state.strip().startswith("Z")
    except OSError:
        return False


def away():
    """How the API server is away at this moment: `stopped`, `gone`, or not at all."""
    try:
        how, until = (STATE / "away").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return how if time.time() < float(until) else None


def wait_for_api():
    while away() == "stopped":
        time.sleep(0.05)
    if away() == "gone":
        fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")


def pods():
    """By their names, as the API server lists them."""
    found = []
    for file in sorted(STATE.glob("pod-*.json"), key=lambda file: file.stem):
        try:
            found.append(json.loads(file.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            # It is being removed or made.
            pass
    return found


@contextlib.contextmanager
def turn():
    """What happens to the cluster at one moment."""
    with open(STATE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def selected(labels, selector):
    return all(labels.get(key) == value for key, value in (part.split("=", 1) for part in selector.split(",") if part))


def contain(app, index, spec, container, secrets):
    """Starts a container as the pod's spec says: its user, its limits, its empty folders."""
    flags = ["--network=lab-test", "--read-only", "--cap-drop=ALL", f"--user={spec['securityContext']['runAsUser']}",
             f"--volume={nodes.resolver()}:/etc/resolv.conf:ro"]
    limits = container["resources"].get("limits", {})
    if "cpu" in limits:
        flags.append(f"--cpus={millicores(limits['cpu']) / 1000}")
    for mount in container.get("volumeMounts", []):
        flags.append(f"--volume={nodes.empty_folder(f'{app}-{index}', mount['name'])}:{mount['mountPath']}")
    for variable in container.get("env", []):
        value = variable.get("value")
        if value is None:
            reference = variable["valueFrom"]["secretKeyRef"]
            value = secrets[reference["name"]][reference["key"]]
        flags.append(f"--env={variable['name']}={value}")
    image = container["image"]
    name = f"lab-test-{app}-{index}"
    docker("run", "--detach", f"--name={name}", *flags, image, *container.get("args", []))
    address = docker("inspect", "--format", '{{(index .NetworkSettings.Networks "lab-test").IPAddress}}', name)
    return {"pid": name, "host": address, "port": container["ports"][0]["containerPort"],
            "probe": container.get("readinessProbe")}


def millicores(text):
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def launch(app, index, name=None):
    """One more pod of what was applied, named by its index or otherwise."""
    items = json.loads((STATE / "applied.json").read_text())
    secrets = {i["metadata"]["name"]: i["stringData"] for i in items if i["kind"] == "Secret"}
    item = next(i for i in items if i["kind"] in ("Deployment", "StatefulSet") and i["metadata"]["name"] == app)
    spec = item["spec"]["template"]["spec"]
    container = spec["containers"][0]
    pod = {"name": name or f"{app}-{index}", "app": app, "image": container["image"], "uid": str(uuid.uuid4()),
           "labels": item["spec"]["template"]["metadata"]["labels"], "resources": container["resources"]}
    if not DOCKER:
        return start(pod, container)
    (STATE / f"pod-{pod['name']}.json").write_text(json.dumps({**pod, **contain(app, index, spec, container, secrets)}))


def revive(pod):
    """Starts the container of a pod that has crashed again, as the kubelet does."""
    while alive(pod["pid"]):
        time.sleep(0.05)
    docker("start", pod["pid"])
    pod["host"] = docker("inspect", "--format", '{{(index .NetworkSettings.Networks "lab-test").IPAddress}}', pod["pid"])
    pod["restarts"] = pod.get("restarts", 0) + 1
    (STATE / f"pod-{pod['name']}.json").write_text(json.dumps(pod))


def replace(name, new):
    """Deletes a pod, as a person or an eviction does: the owner of the pod has made another before it is gone."""
    pod = next(p for p in pods() if p["name"] == name)
    with turn():
        launch(pod["app"], 0, new)
        (STATE / f"pod-{name}.json").write_text(json.dumps({**pod, "leaving": True}))
    time.sleep(1)
    os.kill(pod["pid"], signal.SIGTERM)
    (STATE / f"pod-{name}.json").unlink(missing_ok=True)


def start(pod, container):
    app = pod["app"]
    argv = [re.sub(r"^--listen=.*", "--listen=127.0.0.1:0", a) for a in container["args"]]
    dep = next((p["port"] for p in pods() if p["app"] == "dep"), 0)
    if TROUBLE != "no-names":
        argv = [a.replace("http://dep:8082", f"http://127.0.0.1:{dep}") for a in argv]
    env = dict(os.environ, **{e["name"]: e["value"] for e in container.get("env", []) if "value" in e})
    pod = {**pod, "pid": 0, "host": "127.0.0.1", "port": 0}
    if TROUBLE != "no-image":
        log = open(STATE / f"{app}.log", "w")
        process = subprocess.Popen([os.environ["LAB"], *argv], env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True)
        pod["pid"] = process.pid
        pod["port"] = int(process.stdout.readline().rsplit(":", 1)[1])
    (STATE / f"pod-{pod['name']}.json").write_text(json.dumps(pod))


def apply():
    wait_for_api()
    items = json.load(sys.stdin)["items"]
    for item in items:
        rights.may_apply(item)
    if [item["kind"] for item in items] == ["Namespace"]:
        (STATE / f"namespace-{items[0]['metadata']['name']}").touch()
        return
    if not (STATE / f"namespace-{NAMESPACE}").exists():
        fail(f'Error from server (NotFound): namespaces "{NAMESPACE}" not found')
    for item in items:
        nodes.make_service(item)
    (STATE / "applied.json").write_text(json.dumps(items))
    for item in items:
        if item["metadata"].get("namespace") != NAMESPACE:
            fail(f"the namespace of {item['metadata']['name']} is not {NAMESPACE}")
        if item["kind"] == "Deployment" or (DOCKER and item["kind"] == "StatefulSet"):
            for index in range(item["spec"].get("replicas", 1)):
                launch(item["metadata"]["name"], index)
        print(item["kind"], "created")


def delete():
    wait_for_api()
    rights.may_delete(args[1])
    nodes.delete_services(args[1])
    kinds = args[1].split(",")
    selector = next(a.split("=", 1)[1] for a in args if a.startswith("--selector="))
    for file in STATE.glob("lease-*.json") if "leases" in kinds else []:
        if selected(json.loads(file.read_text())["metadata"]["labels"], selector):
            file.unlink()
    for pod in pods():
        if not selected(pod["labels"], selector):
            continue
        if DOCKER:
            docker("rm", "--force", pod["pid"])
        elif pod["pid"] and alive(pod["pid"]):
            os.kill(pod["pid"], signal.SIGTERM)
        (STATE / f"pod-{pod['name']}.json").unlink(missing_ok=True)
    if DOCKER:
        nodes.clear()


def seen(pod):
    """A pod as the API shows it."""
    metadata = {"name": pod["name"], "namespace": NAMESPACE, "uid": pod["uid"], "labels": pod["labels"]}
    if pod.get("leaving"):
        metadata["deletionTimestamp"] = "2026-11-25T08:00:00Z"
    container = {"name": pod["app"], "resources": pod["resources"]}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": status(pod)}


def status(pod):
    restarts = pod.get("restarts", 0)
    container = {"name": pod["app"], "image": pod["image"], "imageID": "", "ready": True, "restartCount": restarts,
                 "state": {"running": {}}}
    if restarts:
        container["lastState"] = {"terminated": {"exitCode": 134, "reason": "Error"}}
    ready = "True"
    if not pod["pid"]:
        ready, container["ready"] = "False", False
        container["state"] = {"waiting": {"reason": "ErrImageNeverPull", "message": "not present on the node"}}
    elif not alive(pod["pid"]):
        ready, container["ready"], container["restartCount"] = "False", False, restarts + 1
        container["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    elif DOCKER and not nodes.is_ready(pod):
        ready, container["ready"] = "False", False
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [container]}


class Autoscaler(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.status = {"desiredReplicas": 0, "conditions": []}

    def run(self):
        before = {}
        while True:
            time.sleep(5)
            items = json.loads((STATE / "applied.json").read_text()) if (STATE / "applied.json").exists() else []
            hpa = next((i["spec"] for i in items if i["kind"] == "HorizontalPodAutoscaler"), None)
            if not hpa:
                continue
            api = next(i for i in items if i["kind"] == "Deployment" and i["metadata"]["name"] == "api")
            resources = api["spec"]["template"]["spec"]["containers"][0]["resources"]
            request = millicores(resources.get("requests", {}).get("cpu", "0"))
            replicas = [p for p in pods() if p["app"] == "api"]
            now = {}
            for pod in replicas:
                page = urllib.request.urlopen(f"http://{pod['host']}:{pod['port']}/metrics").read().decode()
                now[pod["name"]] = float(re.search(r"lab_cpu_usage_seconds_total ([0-9.e-]+)", page)[1])
            used = [(now[n] - before[n]) / 5 * 1000 for n in now if n in before]
            before = now
            if not request:
                why = "matched known pods" if used else "from resource metrics API"
                self.say("False", "FailedGetResourceMetric", f"failed to get cpu utilization: no metrics returned {why}")
            elif used:
                target = hpa["metrics"][0]["resource"]["target"]["averageUtilization"]
                wanted = math.ceil(sum(used) / request * 100 / target)
                wanted = max(hpa.get("minReplicas", 1), min(hpa["maxReplicas"], wanted), len(replicas))
                self.say("True", "ValidMetricFound", "computed from CPU use", wanted)
                for index in range(len(replicas), wanted):
                    launch("api", index)

    def say(self, status, reason, message, desired=None):
        condition = {"type": "ScalingActive", "status": status, "reason": reason, "message": message}
        self.status = {"desiredReplicas": desired or self.status["desiredReplicas"], "conditions": [condition]}


class Conflict(Exception):
    pass


def lease(method, name, wanted):
    """Reads or writes a Lease; of two that write the same version of it one has a conflict."""
    with turn():
        file = STATE / f"lease-{name}.json"
        now = json.loads(file.read_text()) if file.exists() else None
        if method == "GET":
            return now
        version = now and now["metadata"]["resourceVersion"]
        if wanted["metadata"].get("resourceVersion") != version:
            raise Conflict
        wanted["metadata"]["resourceVersion"] = str(int(version or 0) + 1)
        file.write_text(json.dumps(wanted))
        return wanted


def take(who):
    with turn():
        file = STATE / "lease-run.json"
        now = json.loads(file.read_text())
        version = str(int(now["metadata"]["resourceVersion"]) + 1)
        now["metadata"] = {"name": "run", "resourceVersion": version, "labels": {"app.kubernetes.io/instance": "other"}}
        now["spec"]["holderIdentity"] = who
        file.write_text(json.dumps(now))


def replicas():
    """What the Deployment of the api asks for: what there is and does not go."""
    applied = json.loads((STATE / "applied.json").read_text())
    api = next(i for i in applied if i["kind"] == "Deployment" and i["metadata"]["name"] == "api")
    there = sum(p["app"] == "api" and not p.get("leaving") for p in pods())
    return max(there, api["spec"].get("replicas", 1))


def answer(method, path, body, autoscaler):
    """What the API server says to a request; none where it knows no such thing."""
    path, _, query = path.partition("?")
    if namespace := re.fullmatch("/api/v1/namespaces/([^/]+)", path):
        known = (STATE / f"namespace-{namespace[1]}").exists()
        return {"kind": "Namespace", "metadata": {"name": namespace[1]}} if known else None
    place = path.split(f"/namespaces/{NAMESPACE}/", 1)[-1]
    if "/coordination.k8s.io/" in path:
        return lease(method, body["metadata"]["name"] if body else place.split("/")[1], body)
    if "/horizontalpodautoscalers/" in path:
        return {"metadata": {"name": "api"}, "status": autoscaler.status}
    if "/deployments/" in path:
        return {"metadata": {"name": "api"}, "spec": {"replicas": replicas(), "selector": {}, "template": {}}}
    if "/metrics.k8s.io/" in path and TROUBLE == "no-figures":
        return {"items": []}
    if place == "pods":
        selector = query.removeprefix("labelSelector=")
        with turn():
            found = pods()
            items = [seen(p) for p in found]
            if DOCKER:
                nodes.follow(found, items)
            return {"metadata": {}, "items": [item for item in items if selected(item["metadata"]["labels"], selector)]}
    return None


def proxy(path):
    begun = time.time()
    autoscaler = Autoscaler()
    autoscaler.start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self):
            return "socket"

        def log_message(self, *_):
            pass

        def do(self):
            while away() == "stopped":
                time.sleep(0.05)
            if away() == "gone" or (TROUBLE == "no-api" and time.time() > begun + 6):
                return self.send_error(503)
            length = int(self.headers.get("Content-Length", 0))
            given = json.loads(self.rfile.read(length)) if length else None
            try:
                rights.may_ask(self.command, self.path)
                said = answer(self.command, self.path, given, autoscaler)
            except rights.Forbidden as error:
                return self.answer(403, error.status())
            except Conflict:
                return self.send_error(409)
            if said is None:
                return self.send_error(404)
            self.answer(200, json.dumps(said).encode())

        def answer(self, code, body):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    server = Server(path, Handler)
    print(f"Starting to serve on {path}", flush=True)
    server.serve_forever()


class Gate(socketserver.StreamRequestHandler):
    """Passes each request on to the pod that its path names, as `kubectl proxy` and the API server do."""

    disable_nagle_algorithm = True

    def handle(self):
        pods_by_name = {}
        while head := self.head(self.rfile):
            line, *headers = head
            method, path, _ = line.split(" ")
            match = re.match(rf"/api/v1/namespaces/{NAMESPACE}/pods/([^/:]+):\d+/proxy(/.*)", path)
            if not match:
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                continue
            try:
                rights.may_ask(method, path)
            except rights.Forbidden as error:
                text = error.status()
                self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                continue
            name, rest = match.groups()
            while away() == "stopped":
                time.sleep(0.05)
            if TROUBLE == "no-way" or away() == "gone":
                self.wfile.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                continue
            pods_by_name = pods_by_name if name in pods_by_name else {p["name"]: p for p in pods()}
            # Neither passes the client's own Host on: the pod sees the API server's.
            headers = [h for h in headers if not h.lower().startswith("host:")]
            request = [f"{method} {rest} HTTP/1.1", "Host: cluster.example:6443", "Connection: close", *headers]
            try:
                pod = pods_by_name[name]
                with socket.create_connection((pod["host"], pod["port"])) as onward:
                    onward.sendall("\r\n".join(request + ["", ""]).encode("latin-1") + self.body(headers))
                    self.relay(onward)
            except (KeyError, ConnectionError):
                if rest == "/debug/crash" and name in pods_by_name:
                    revive(pods_by_name[name])
                pods_by_name = {}
                text = b"error trying to reach service"
                self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    def head(self, file):
        lines = []
        while (line := file.readline().decode("latin-1")) not in ("\r\n", ""):
            lines.append(line.rstrip("\r\n"))
        return lines

    def body(self, headers):
        lengths = [int(h.split(":")[1]) for h in headers if h.lower().startswith("content-length:")]
        return self.rfile.read(lengths[0]) if lengths else b""

    def relay(self, onward):
        """The answer; or, where the client gives up, the end of both connections."""
        answer = b""
        while True:
            readable, _, _ = select.select([onward, self.connection], [], [])
            if self.connection in readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise SystemExit
            if onward in readable:
                data = onward.recv(65536)
                if not data:
                    break
                answer += data
        if not answer:
            raise ConnectionResetError
        self.wfile.write(re.sub(rb"\r\nconnection: close", b"", answer, count=1, flags=re.I))


def gate():
    class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Gate)
    print(f"Starting to serve on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if args[0] == "replace":
    replace(*args[1:])
    sys.exit()
if args[0] == "take":
    take(args[1])
    sys.exit()
if args[0] == "away":
    (STATE / "away").write_text(f"{args[1]} {time.time() + float(args[2])}")
    sys.exit()
if TROUBLE == "unreachable":
    fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")
if args[:2] == ["get", "--raw"]:
    print(json.dumps({"gitVersion": "v1.36.0-fake"}))
elif args[0] == "apply":
    apply()
elif args[0] == "delete":
    delete()
elif args[0] == "proxy" and "--port=0" in args:
    gate()
elif args[0] == "proxy":
    proxy(args[1].split("=", 1)[1])
elif args[0] == "unused":
    rights.unused()
elif args[0] == "admit":
    rights.admit_all(json.load(sys.stdin)["items"])
elif args[0] == "names":
    nodes.names(int(args[1]))
else:
    fail(f"the fake cluster does not know {args}")
