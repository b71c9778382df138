#!/usr/bin/env python3
"""A cluster for tests: `kubectl` as the driver calls it, with pods that are real `lab` processes, or, with
FAKE_RUNTIME=docker, containers of the image on the Docker network `lab-test`. A stand-in autoscaler does
the division of Kubernetes' algorithm, every 5 s, and no more of it.

What a command leaves for the next is in the folder FAKE_CLUSTER. LAB is the services' executable; that of the load
pods lies beside it, or is FAKE_LOAD. Each load pod has a process of the cluster's own that outlives the command
(`node`): it is the kubelet, the Job's controller and the garbage collector.
FAKE_TROUBLE makes it sick: `unreachable`, `no-image`, `no-api` (the API goes silent after 6 s),
`no-way` (no pod is reached).
"""

import fcntl, http.server, json, math, os, pathlib, re, select, signal, socket, socketserver, subprocess, sys, threading, time, uuid
import urllib.request

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
    found = []
    for file in sorted(STATE.glob("pod-*.json")):
        try:
            found.append(json.loads(file.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            # It is being removed or made.
            pass
    return found


def keep(pod):
    file = STATE / f"pod-{pod['name']}.json"
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(pod))
    fresh.rename(file)


def applied():
    try:
        return json.loads((STATE / "applied.json").read_text())
    except FileNotFoundError:
        return []


def owner(item):
    return next((o["uid"] for o in item["metadata"].get("ownerReferences", [])), None)


def contain(app, index, spec, container, secrets):
    """Starts a container as the pod's spec says: its user, its limits, its empty folders."""
    flags = [f"--network-alias={app}", "--network=lab-test", "--read-only", "--cap-drop=ALL",
             f"--user={spec['securityContext']['runAsUser']}"]
    limits = container["resources"].get("limits", {})
    if "cpu" in limits:
        flags.append(f"--cpus={millicores(limits['cpu']) / 1000}")
    flags += [f"--tmpfs={mount['mountPath']}:mode=1777" for mount in container.get("volumeMounts", [])]
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
    return {"pid": name, "host": address, "port": container["ports"][0]["containerPort"]}


def millicores(text):
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def launch(app, index):
    """One more pod of what was applied."""
    items = applied()
    secrets = {i["metadata"]["name"]: i["stringData"] for i in items if i["kind"] == "Secret"}
    item = next(i for i in items if i["kind"] in ("Deployment", "StatefulSet") and i["metadata"]["name"] == app)
    spec = item["spec"]["template"]["spec"]
    container = spec["containers"][0]
    if not DOCKER:
        return start(app, index, container, owner(item))
    keep({"name": f"{app}-{index}", "app": app, "image": container["image"], "owner": owner(item),
          **contain(app, index, spec, container, secrets)})


def revive(pod):
    """Starts the container of a pod that has crashed again, as the kubelet does."""
    docker("start", pod["pid"])
    pod["host"] = docker("inspect", "--format", '{{(index .NetworkSettings.Networks "lab-test").IPAddress}}', pod["pid"])
    pod["restarts"] = pod.get("restarts", 0) + 1
    keep(pod)


def start(app, index, container, owner):
    argv = [re.sub(r"^--listen=.*", "--listen=127.0.0.1:0", a) for a in container["args"]]
    dep = next((p["port"] for p in pods() if p["app"] == "dep"), 0)
    argv = [a.replace("http://dep:8082", f"http://127.0.0.1:{dep}") for a in argv]
    env = dict(os.environ, **{e["name"]: e["value"] for e in container.get("env", []) if "value" in e})
    pod = {"name": f"{app}-{index}", "app": app, "image": container["image"], "owner": owner, "pid": 0,
           "host": "127.0.0.1", "port": 0}
    if TROUBLE != "no-image":
        log = open(STATE / f"{app}.log", "w")
        process = subprocess.Popen([os.environ["LAB"], *argv], env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=log, start_new_session=True, text=True)
        pod["pid"] = process.pid
        pod["port"] = int(process.stdout.readline().rsplit(":", 1)[1])
    keep(pod)


def create():
    """A Job, with a node for each of its pods."""
    job = json.load(sys.stdin)
    name = job["metadata"]["name"]
    job["metadata"]["uid"] = str(uuid.uuid4())
    (STATE / "job.json").write_text(json.dumps(job))
    container = job["spec"]["template"]["spec"]["containers"][0]
    for index in range(job["spec"]["completions"]):
        pod = {"name": f"{name}-{index}", "app": "load", "image": container["image"], "pid": 0, "index": index,
               "owner": job["metadata"]["uid"], "host": "127.0.0.1", "port": 0}
        keep(pod)
        if TROUBLE != "no-image":
            log = open(STATE / "load.log", "a")
            subprocess.Popen([sys.executable, __file__, "node", pod["name"]], stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log, start_new_session=True)
    print(json.dumps(job))


def node(name):
    """Runs a load pod until it ends. Who attaches first has its input; when he goes, it ends."""
    pod = next(p for p in pods() if p["name"] == name)
    deadline = json.loads((STATE / "job.json").read_text())["spec"]["activeDeadlineSeconds"]
    if DOCKER:
        docker("create", "--interactive", "--attach=stdin", "--attach=stdout", "--attach=stderr", "--network=lab-test",
               f"--name=lab-test-{name}", "--read-only", "--cap-drop=ALL", "--user=65532", "--entrypoint=/load",
               pod["image"])
        docker("start", f"lab-test-{name}")
        keep({**pod, "pid": f"lab-test-{name}"})
        subprocess.run(["docker", "wait", f"lab-test-{name}"], capture_output=True, timeout=deadline)
        subprocess.run(["docker", "rm", "--force", f"lab-test-{name}"], capture_output=True)
        return finished(pod)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(STATE / f"attach-{name}"))
    listener.listen()
    program = os.environ.get("FAKE_LOAD") or pathlib.Path(os.environ["LAB"]).with_name("load")
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    threading.Timer(deadline, process.kill).start()
    keep({**pod, "pid": process.pid})

    def attached():
        stream, _ = listener.accept()
        out = threading.Thread(target=pump, args=(process.stdout.fileno(), stream.fileno()), daemon=True)
        out.start()
        pump(stream.fileno(), process.stdin.fileno())
        process.stdin.close()
        out.join()
        stream.close()

    attending = threading.Thread(target=attached, daemon=True)
    attending.start()
    process.wait()
    attending.join(timeout=2)
    finished(pod)
    os._exit(0)


def pump(source, sink):
    """Passes bytes on until either side has ended."""
    try:
        while data := os.read(source, 65536):
            while data:
                data = data[os.write(sink, data):]
    except OSError:
        pass


def finished(pod):
    """A pod of the Job has ended. With the last one goes the Job, and all that it owns."""
    with open(STATE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (STATE / f"pod-{pod['name']}.json").unlink(missing_ok=True)
        if not any(p["app"] == "load" and p["owner"] == pod["owner"] for p in pods()):
            collect(pod["owner"])


def collect(uid):
    for pod in pods():
        if pod["owner"] == uid:
            end(pod)
    left = [item for item in applied() if owner(item) != uid]
    (STATE / "applied.json").write_text(json.dumps(left))
    job = STATE / "job.json"
    if job.exists() and json.loads(job.read_text())["metadata"]["uid"] == uid:
        job.unlink()


def end(pod):
    if DOCKER:
        subprocess.run(["docker", "rm", "--force", f"lab-test-{pod['name']}"], capture_output=True)
    elif pod["pid"] and alive(pod["pid"]):
        os.kill(pod["pid"], signal.SIGTERM)
    (STATE / f"pod-{pod['name']}.json").unlink(missing_ok=True)


def attach(name):
    pod = next((p for p in pods() if p["name"] == name), None)
    if not pod or not pod["pid"]:
        fail(f'Error from server (NotFound): pods "{name}" not found')
    if DOCKER:
        os.execvp("docker", ["docker", "attach", "--sig-proxy=false", f"lab-test-{name}"])
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(str(STATE / f"attach-{name}"))

    def send():
        pump(0, stream.fileno())
        try:
            stream.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=send, daemon=True).start()
    pump(stream.fileno(), 1)
    os._exit(0)


def apply():
    items = json.load(sys.stdin)["items"]
    of = lambda item: (item["kind"], item["metadata"]["name"])
    new = {of(item) for item in items}
    both = [item for item in applied() if of(item) not in new] + items
    (STATE / "applied.json").write_text(json.dumps(both))
    for item in items:
        if item["kind"] == "Deployment" or (DOCKER and item["kind"] == "StatefulSet"):
            for index in range(item["spec"].get("replicas", 1)):
                launch(item["metadata"]["name"], index)
        print(item["kind"], "created")


def delete():
    for pod in pods():
        end(pod)
    for file in ("applied.json", "job.json"):
        (STATE / file).unlink(missing_ok=True)


def seen(pod):
    """A pod as the API shows it: it listens where its process does."""
    metadata = {"name": pod["name"], "namespace": "lab-run", "labels": {"app": pod["app"]}}
    if pod["owner"]:
        kind = "Job" if pod["app"] == "load" else "ReplicaSet"
        metadata["ownerReferences"] = [{"apiVersion": "-", "kind": kind, "name": "-", "uid": pod["owner"]}]
    if "index" in pod:
        metadata["annotations"] = {"batch.kubernetes.io/job-completion-index": str(pod["index"])}
    port = 1 if TROUBLE == "no-way" else pod["port"]
    container = {"name": pod["app"], "ports": [{"containerPort": port}]}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": {**status(pod), "podIP": pod["host"]}}


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
    elif DOCKER and not answers(pod):
        ready, container["ready"] = "False", False
    return {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [container]}


def answers(pod):
    """Its readiness probe."""
    try:
        if pod["app"] == "postgres":
            socket.create_connection((pod["host"], pod["port"]), timeout=1).close()
        else:
            urllib.request.urlopen(f"http://{pod['host']}:{pod['port']}/readyz", timeout=1).close()
        return True
    except OSError:
        return False


class Autoscaler(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.status = {"desiredReplicas": 0, "conditions": []}

    def run(self):
        before = {}
        while True:
            time.sleep(5)
            items = applied()
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
            for pod in pods():
                if DOCKER and pod["app"] != "load" and not alive(pod["pid"]):
                    revive(pod)
            items = [seen(p) for p in pods()]
            answer = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}
            if "horizontalpodautoscalers" in self.path:
                answer = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                          "metadata": {"name": "api"}, "status": autoscaler.status}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    server = Server(path, Handler)
    print(f"Starting to serve on {path}", flush=True)
    server.serve_forever()


if TROUBLE == "unreachable":
    fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")
if args[:2] == ["get", "--raw"]:
    print(json.dumps({"gitVersion": "v1.36.0-fake"}))
elif args[0] == "apply":
    apply()
elif args[0] == "create":
    create()
elif args[0] == "node":
    node(args[1])
elif args[0] == "attach":
    attach(args[-1])
elif args[0] == "delete":
    delete()
elif args[0] == "proxy":
    proxy(args[1].split("=", 1)[1])
else:
    fail(f"the fake cluster does not know {args}")
