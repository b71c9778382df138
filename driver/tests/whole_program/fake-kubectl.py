#!/usr/bin/env python3
"""A cluster for tests: `kubectl` as the driver calls it, with pods that are real `lab` processes, or, with
FAKE_RUNTIME=docker, containers of the image on the Docker network `lab-test`. A stand-in autoscaler does
the division of Kubernetes' algorithm, every 5 s, and no more of it.

What a command leaves for the next is in the folder FAKE_CLUSTER. LAB is the services' executable. Beside this file
are what it lets somebody do (fake_rights.py) and what a node gives to containers (fake_node.py).
FAKE_TROUBLE makes it sick: `unreachable`, `no-image`, `no-api` (the API goes silent after 6 s),
`no-way` (it reaches no pod), `new-addresses` (the Services go with the pods, as if somebody deleted the namespace).
"""

import http.server, json, math, os, pathlib, re, select, signal, socket, socketserver, subprocess, sys, threading, time
import urllib.request

sys.dont_write_bytecode = True
import fake_node as nodes
import fake_rights as rights

STATE = pathlib.Path(os.environ["FAKE_CLUSTER"])
TROUBLE = os.environ.get("FAKE_TROUBLE", "")
DOCKER = os.environ.get("FAKE_RUNTIME") == "docker"
args = [a for a in sys.argv[1:] if not a.startswith("--context=")]


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
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        return state.strip() != "" and not state.strip().startswith("Z")
    except OSError:
        return False


def pods():
    return [json.loads(f.read_text()) for f in sorted(STATE.glob("pod-*.json"))]


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


def launch(app, index):
    """One more pod of what was applied."""
    items = json.loads((STATE / "applied.json").read_text())
    secrets = {i["metadata"]["name"]: i["stringData"] for i in items if i["kind"] == "Secret"}
    item = next(i for i in items if i["kind"] in ("Deployment", "StatefulSet") and i["metadata"]["name"] == app)
    spec = item["spec"]["template"]["spec"]
    container = spec["containers"][0]
    if not DOCKER:
        return start(app, index, container)
    pod = {"name": f"{app}-{index}", "app": app, "image": container["image"],
           **contain(app, index, spec, container, secrets)}
    (STATE / f"pod-{pod['name']}.json").write_text(json.dumps(pod))


def revive(pod):
    """Starts the container of a pod that has crashed again, as the kubelet does."""
    while alive(pod["pid"]):
        time.sleep(0.05)
    docker("start", pod["pid"])
    pod["host"] = docker("inspect", "--format", '{{(index .NetworkSettings.Networks "lab-test").IPAddress}}', pod["pid"])
    pod["restarts"] = pod.get("restarts", 0) + 1
    (STATE / f"pod-{pod['name']}.json").write_text(json.dumps(pod))


def start(app, index, container):
    argv = [re.sub(r"^--listen=.*", "--listen=127.0.0.1:0", a) for a in container["args"]]
    dep = next((p["port"] for p in pods() if p["app"] == "dep"), 0)
    argv = [a.replace("http://dep:8082", f"http://127.0.0.1:{dep}") for a in argv]
    env = dict(os.environ, **{e["name"]: e["value"] for e in container.get("env", []) if "value" in e})
    pod = {"name": f"{app}-{index}", "app": app, "image": container["image"], "pid": 0, "host": "127.0.0.1",
           "port": 0}
    if TROUBLE != "no-image":
        log = open(STATE / f"{app}.log", "w")
        process = subprocess.Popen([os.environ["LAB"], *argv], env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True)
        pod["pid"] = process.pid
        pod["port"] = int(process.stdout.readline().rsplit(":", 1)[1])
    (STATE / f"pod-{pod['name']}.json").write_text(json.dumps(pod))


def apply():
    items = json.load(sys.stdin)["items"]
    for item in items:
        rights.may_apply(item)
        nodes.make_service(item)
    (STATE / "applied.json").write_text(json.dumps(items))
    for item in items:
        if item["kind"] == "Deployment" or (DOCKER and item["kind"] == "StatefulSet"):
            for index in range(item["spec"].get("replicas", 1)):
                launch(item["metadata"]["name"], index)
        print(item["kind"], "created")


def delete():
    rights.may_delete(args[1])
    nodes.delete_services(args[1])
    for pod in pods():
        if DOCKER:
            docker("rm", "--force", pod["pid"])
        elif pod["pid"] and alive(pod["pid"]):
            os.kill(pod["pid"], signal.SIGTERM)
        (STATE / f"pod-{pod['name']}.json").unlink(missing_ok=True)
    if DOCKER:
        nodes.clear()


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
                self.say("False", "FailedGetResourceMetric", "no pod requests CPU")
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

        def do_GET(self):
            if TROUBLE == "no-api" and time.time() > begun + 6:
                self.send_error(503)
                return
            try:
                rights.may_ask("GET", self.path)
            except rights.Forbidden as error:
                self.answer(403, error.status())
                return
            found = pods()
            items = [{"metadata": {"name": p["name"], "namespace": "lab-run", "labels": {"app": p["app"]}},
                      "status": status(p)} for p in found]
            if DOCKER:
                nodes.follow(found, items)
            answer = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}
            if "horizontalpodautoscalers" in self.path:
                answer = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                          "metadata": {"name": "api"}, "status": autoscaler.status}
            self.answer(200, json.dumps(answer).encode())

        def answer(self, code, body):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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
            match = re.match(r"/api/v1/namespaces/lab-run/pods/([^/:]+):\d+/proxy(/.*)", path)
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
            if TROUBLE == "no-way":
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
