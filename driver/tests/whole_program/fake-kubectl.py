#!/usr/bin/env python3
"""A cluster for tests: `kubectl` as the driver calls it, with pods that are real `lab` processes, or, with
FAKE_RUNTIME=docker, containers of the image on the Docker network `lab-test`. A stand-in autoscaler does
the division of Kubernetes' algorithm, every 5 s, and no more of it. Once somebody has restarted a Deployment, its pods are
replaced as its controller does it (`Deployments`), and let go as a kubelet does it (`Kubelet`).

What a command leaves for the next is in the folder FAKE_CLUSTER. LAB is the services' executable; that of the load
pods lies beside it, or is FAKE_LOAD. Each load pod has a process of the cluster's own that outlives the command
(`node`): it is the kubelet, the Job's controller and the garbage collector. Beside this file are what the cluster lets
somebody do (fake_rights.py), what a node gives to containers (fake_node.py) and how pods are processes (fake_process.py).
FAKE_TROUBLE makes it sick: `unreachable`, `no-image`, `no-api` (the API goes silent after 6 s),
`no-way` (no pod is reached), `no-figures` (nobody has measured a pod), `no-names` (nobody finds the dependency),
`new-addresses` (the Services go with the pods, as if somebody deleted the namespace).

A test can also do what people and nodes do to a cluster, while a run goes: `replace POD NEW` deletes a pod, whose
owner has made another of that name; `oom WHAT` kills a pod, by its name or app, as a kernel does that runs out of its
memory, and `evict WHAT` ends it as a kubelet does; `away HOW SECONDS` takes the API server away, `stopped` or `gone`;
`take WHO` takes the namespace over from the run that has it.
"""

import contextlib, fcntl, http.server, json, math, os, pathlib, re, signal, socket, socketserver, subprocess, sys, threading, time
import uuid
import urllib.parse, urllib.request

sys.dont_write_bytecode = True
import fake_node as nodes
import fake_process as processes
import fake_rights as rights

STATE, NAMESPACE = rights.STATE, rights.NAMESPACE
TROUBLE = os.environ.get("FAKE_TROUBLE", "")
DOCKER = os.environ.get("FAKE_RUNTIME") == "docker"
args = [a for a in sys.argv[1:] if not a.startswith(("--context=", "--namespace="))]


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
        return container_runs(pid)
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


MAIN = {}


def container_runs(name):
    """Docker is asked only where the process that it has named last is gone."""
    if not pathlib.Path(f"/proc/{MAIN.get(name, 0)}/stat").exists():
        MAIN[name] = docker("inspect", "--format", "{{.State.Pid}}", name)
    return MAIN[name] != "0"


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
    flags = ["--network=lab-test", f"--ip={nodes.next_address()}", "--read-only", "--cap-drop=ALL", f"--user={spec['securityContext']['runAsUser']}",
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
    items = applied()
    secrets = {i["metadata"]["name"]: i["stringData"] for i in items if i["kind"] == "Secret"}
    item = next(i for i in items if i["kind"] in ("Deployment", "StatefulSet") and i["metadata"]["name"] == app)
    spec = item["spec"]["template"]["spec"]
    container = spec["containers"][0]
    pre_stop = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    pod = {"name": name or f"{app}-{index}", "app": app, "image": container["image"], "uid": str(uuid.uuid4()),
           "labels": item["spec"]["template"]["metadata"]["labels"], "resources": container["resources"],
           "restart": restarted(item), "began": time.time(), "pre_stop": pre_stop,
           "grace": spec.get("terminationGracePeriodSeconds", 30)}
    if not DOCKER:
        return start({**pod, "owner": owner(item)}, container, secrets)
    keep({**pod, "owner": owner(item), **contain(app, index, spec, container, secrets)})


def revive(pod):
    """Starts the container of a pod that has ended again, as the kubelet does."""
    if DOCKER:
        docker("start", pod["pid"])
        pod["host"] = docker("inspect", "--format", '{{(index .NetworkSettings.Networks "lab-test").IPAddress}}', pod["pid"])
        pod["last"] = {"exitCode": 134, "reason": "Error"}
    elif last := processes.how_it_ended(pod):
        pod["last"] = last
        processes.begin(pod)
    else:
        # How it ended is not known yet.
        return
    pod["restarts"] = pod.get("restarts", 0) + 1
    keep(pod)


def oom(what):
    """The container of a pod needs more memory than its limit."""
    pod = named(what)
    (STATE / f"oom-{pod['name']}").touch()
    os.kill(pod["pid"], signal.SIGKILL)


def evict(what):
    """The node needs the memory of a pod; whose container ends first, and what for is told a moment later."""
    pod = named(what)
    (STATE / f"evicted-{pod['name']}").touch()
    os.kill(pod["pid"], signal.SIGTERM)


def named(what):
    return next(p for p in pods() if what in (p["name"], p["app"]))


def replace(name, new):
    """Deletes a pod, as a person or an eviction does: the owner of the pod has made another before it is gone."""
    pod = next(p for p in pods() if p["name"] == name)
    with turn():
        launch(pod["app"], 0, new)
        tell_to_leave(pod)


def tell_to_leave(pod):
    keep({**pod, "told": time.time()})


def restarted(item):
    """When somebody has restarted a Deployment: pods that know another time are old."""
    return item["spec"]["template"]["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/restartedAt")


def start(pod, container, secrets):
    port = {p["app"]: p["port"] for p in pods()}
    if TROUBLE == "no-image":
        return keep({**pod, "pid": 0, "host": "127.0.0.1", "port": 0})
    keep(processes.began(pod, container, secrets, port.get("dep", 0), port.get("postgres", 0), TROUBLE != "no-names"))


def create():
    """A Job, with a node for each of its pods."""
    wait_for_api()
    job = json.load(sys.stdin)
    rights.may_create(job)
    name = job["metadata"]["name"]
    job["metadata"]["uid"] = str(uuid.uuid4())
    (STATE / "job.json").write_text(json.dumps(job))
    template = job["spec"]["template"]
    container = template["spec"]["containers"][0]
    for index in range(job["spec"]["completions"]):
        pod = {"name": f"{name}-{index}", "app": "load", "image": container["image"], "pid": 0, "index": index,
               "uid": str(uuid.uuid4()), "labels": template["metadata"]["labels"], "resources": container["resources"],
               "owner": job["metadata"]["uid"], "host": "127.0.0.1", "port": 0, "probe": None}
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
    timer = threading.Timer(deadline, process.kill)
    # Nobody waits for it where the whole cluster is gone by now.
    timer.daemon = True
    timer.start()
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
    code = process.wait()
    attending.join(timeout=2)
    if code and shows_its_end(pod, 128 - code if code < 0 else code):
        # The Job's controller needs a second to see it.
        time.sleep(1)
    finished(pod)
    os._exit(0)


def shows_its_end(pod, code):
    """False where somebody has deleted it meanwhile."""
    with turn():
        there = any(p["uid"] == pod["uid"] for p in pods())
        if there:
            keep({**pod, "ended": processes.ended(pod, code)})
        return there


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
    with turn():
        (STATE / f"pod-{pod['name']}.json").unlink(missing_ok=True)
        if not any(p["app"] == "load" and p["owner"] == pod["owner"] for p in pods()):
            collect(pod["owner"])


def collect(uid):
    for pod in pods():
        if pod["owner"] == uid:
            end(pod)
    for file in STATE.glob("lease-*.json"):
        if owner(json.loads(file.read_text())) == uid:
            file.unlink()
    left = [item for item in applied() if owner(item) != uid]
    (STATE / "applied.json").write_text(json.dumps(left))
    if DOCKER:
        nodes.clear()
    job = STATE / "job.json"
    if job.exists() and json.loads(job.read_text())["metadata"]["uid"] == uid:
        job.unlink()


def end(pod):
    (STATE / f"pod-{pod['name']}.json").unlink(missing_ok=True)
    if DOCKER:
        subprocess.run(["docker", "rm", "--force", f"lab-test-{pod['name']}"], capture_output=True)
    else:
        processes.end(pod, alive)


def attach(name):
    rights.may_attach(name)
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
    of = lambda item: (item["kind"], item["metadata"]["name"])
    new = {of(item) for item in items}
    both = [item for item in applied() if of(item) not in new] + items
    (STATE / "applied.json").write_text(json.dumps(both))
    for item in items:
        if item["metadata"].get("namespace") != NAMESPACE:
            fail(f"the namespace of {item['metadata']['name']} is not {NAMESPACE}")
        if item["kind"] in ("Deployment", "StatefulSet"):
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
    gone = lambda item: item["kind"] != "Service" and selected(item["metadata"]["labels"], selector)
    with turn():
        (STATE / "applied.json").write_text(json.dumps([item for item in applied() if not gone(item)]))
        for pod in pods():
            if selected(pod["labels"], selector):
                end(pod)
    (STATE / "job.json").unlink(missing_ok=True)
    if DOCKER:
        nodes.clear()


def seen(pod):
    """A pod as the API shows it: it listens where its process does."""
    metadata = {"name": pod["name"], "namespace": NAMESPACE, "uid": pod["uid"], "labels": pod["labels"]}
    if "told" in pod:
        by = time.gmtime(pod["told"] + pod["grace"])
        metadata |= {"deletionTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", by), "deletionGracePeriodSeconds": pod["grace"]}
    if pod["owner"]:
        kind = "Job" if pod["app"] == "load" else "ReplicaSet"
        metadata["ownerReferences"] = [{"apiVersion": "-", "kind": kind, "name": "-", "uid": pod["owner"]}]
    if "index" in pod:
        metadata["annotations"] = {"batch.kubernetes.io/job-completion-index": str(pod["index"])}
    port = 1 if TROUBLE == "no-way" else pod["port"]
    container = {"name": pod["app"], "resources": pod["resources"], "ports": [{"containerPort": port}]}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": {**status(pod), "podIP": pod["host"]}}


def get_pod(name):
    wait_for_api()
    rights.may("get", "", "pods", name)
    pod = next((p for p in pods() if p["name"] == name), None)
    if pod:
        print(json.dumps(seen(pod)))


def status(pod):
    container = {"name": pod["app"], "image": pod["image"], "imageID": "", "ready": False,
                 "restartCount": pod.get("restarts", 0), "state": {"running": {}}}
    shown = {"phase": "Running"}
    if "last" in pod:
        container["lastState"] = {"terminated": pod["last"]}
    if "ended" in pod:
        shown["phase"] = "Failed" if pod["ended"]["exitCode"] else "Succeeded"
        container["state"] = {"terminated": pod["ended"]}
        if (STATE / f"evicted-{pod['name']}").exists():
            shown |= {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    elif not pod["pid"]:
        container["state"] = {"waiting": {"reason": "ErrImageNeverPull", "message": "not present on the node"}}
    elif alive(pod["pid"]) and may_be_ready(pod):
        container["ready"] = (nodes if DOCKER else processes).is_ready(pod)
    ready = {"type": "Ready", "status": str(container["ready"])}
    return {**shown, "conditions": [ready], "containerStatuses": [container]}


def may_be_ready(pod):
    """Whether it is asked already, and still."""
    asked_from = pod.get("began", 0) + (pod.get("probe") or {}).get("initialDelaySeconds", 0)
    return time.time() >= asked_from and "told" not in pod


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


RESTARTED = []


class Deployments(threading.Thread):
    """Replaces the pods of an older template, as a Deployment's controller does."""

    def run(self):
        while True:
            time.sleep(0.1)
            for name in RESTARTED:
                self.replace(name)

    def replace(self, app):
        with turn():
            item = next((i for i in applied() if i["kind"] == "Deployment" and i["metadata"]["name"] == app), None)
            if not item:
                return
            spec = item["spec"]
            all = [p for p in pods() if p["app"] == app and "ended" not in p]
            staying = [p for p in all if "told" not in p]
            old = [p for p in staying if p["restart"] != restarted(item)]
            update = spec["strategy"].get("rollingUpdate")
            lacking = spec["replicas"] - (len(staying) - len(old))
            if update:
                lacking = min(lacking, spec["replicas"] + update["maxSurge"] - len(staying))
                ready = sum(seen(p)["status"]["conditions"][0]["status"] == "True" for p in staying)
                spare = ready - (spec["replicas"] - update["maxUnavailable"])
            else:
                spare = len(old)
                lacking = 0 if len(all) > len(staying) or old else lacking
            for pod in old[:max(spare, 0)]:
                tell_to_leave(pod)
        # A container takes its time to start, and nobody waits for that.
        for _ in range(lacking):
            launch(app, uuid.uuid4().hex[:5])


# A pod is there for a moment after its container: volumes and network are taken down.
TAKEN_DOWN_WITHIN = 0.3
# After SIGTERM a container has this long, whatever `preStop` took.
LEAST_GRACE = 2


class Kubelet(threading.Thread):
    """Lets pods go that were told to leave: SIGTERM after `preStop`, SIGKILL at the end of the grace period."""

    def run(self):
        while True:
            time.sleep(0.02)
            with turn():
                gone = [pod for pod in pods() if "told" in pod and self.is_gone(pod, time.time() - pod["told"])]
            for pod in gone:
                end(pod)

    def is_gone(self, pod, since):
        if "ended" in pod:
            return since > pod["took"] + TAKEN_DOWN_WITHIN
        grace = max(pod["grace"], pod["pre_stop"] + LEAST_GRACE if pod["pre_stop"] else 0)
        if not alive(pod["pid"]):
            # Whoever waits for the process writes it down a moment later.
            if how := how_it_ended(pod):
                keep({**pod, "ended": how, "took": since})
        elif since >= grace:
            kill(pod, "KILL")
        elif since >= pod["pre_stop"] and "signalled" not in pod:
            kill(pod, "TERM")
            keep({**pod, "signalled": True})
        return False


def kill(pod, name):
    if DOCKER:
        subprocess.run(["docker", "kill", f"--signal={name}", pod["pid"]], capture_output=True)
    elif alive(pod["pid"]):
        os.kill(pod["pid"], getattr(signal, f"SIG{name}"))


def how_it_ended(pod):
    if not DOCKER:
        return processes.how_it_ended(pod)
    return processes.ended(pod, int(docker("inspect", "--format", "{{.State.ExitCode}}", pod["pid"])))


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
    there = sum(p["app"] == "api" and "told" not in p for p in pods())
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
    if method == "PATCH" and "/deployments/" in path:
        return restart(place.split("/")[1], body)
    if "/deployments/" in path:
        return {"metadata": {"name": "api"}, "spec": {"replicas": replicas(), "selector": {}, "template": {}}}
    if "/metrics.k8s.io/" in path and TROUBLE == "no-figures":
        return {"items": []}
    if place == "pods":
        return {"metadata": {}, "items": look(query)}
    return None


def restart(name, patch):
    with turn():
        items = applied()
        item = next(i for i in items if i["kind"] == "Deployment" and i["metadata"]["name"] == name)
        item["spec"]["template"]["metadata"].update(patch["spec"]["template"]["metadata"])
        (STATE / "applied.json").write_text(json.dumps(items))
        RESTARTED.append(name)
        return item


def look(query):
    """The pods that a query selects, as they are now."""
    selector = urllib.parse.parse_qs(query)["labelSelector"][0]
    with turn():
        for pod in pods():
            if pod["app"] != "load" and pod["pid"] and "told" not in pod and not alive(pod["pid"]):
                if (STATE / f"evicted-{pod['name']}").exists():
                    keep({**pod, "ended": {"exitCode": 0, "reason": "Completed"}})
                else:
                    revive(pod)
        found = pods()
        items = [seen(p) for p in found]
        if DOCKER:
            nodes.follow(found, items)
        return [item for item in items if selected(item["metadata"]["labels"], selector)]


def changes(query):
    """What becomes of them. It begins with those that are there, whatever version of them is known."""
    before = {}
    while away() != "gone":
        now = {item["metadata"]["uid"]: item for item in look(query)}
        for uid in [*now, *(set(before) - set(now))]:
            if now.get(uid) != before.get(uid):
                kind = "DELETED" if uid not in now else "MODIFIED" if uid in before else "ADDED"
                yield json.dumps({"type": kind, "object": now.get(uid) or before[uid]}).encode() + b"\n"
        before = now
        time.sleep(0.03)


def proxy(path):
    begun = time.time()
    autoscaler = Autoscaler()
    for controller in (autoscaler, Deployments(daemon=True), Kubelet(daemon=True)):
        controller.start()

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
                if "watch=true" in self.path:
                    return self.tell(changes(self.path.partition("?")[2]))
                said = answer(self.command, self.path, given, autoscaler)
            except rights.Forbidden as error:
                return self.answer(403, error.status())
            except Conflict:
                return self.send_error(409)
            if said is None:
                return self.send_error(404)
            self.answer(200, json.dumps(said).encode())

        def tell(self, lines):
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                for line in lines:
                    self.wfile.write(line)

        def answer(self, code, body):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    server = Server(path, Handler)
    print(f"Starting to serve on {path}", flush=True)
    server.serve_forever()


if args[0] == "replace":
    replace(*args[1:])
    sys.exit()
if args[0] in ("oom", "evict"):
    {"oom": oom, "evict": evict}[args[0]](args[1])
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
elif args[:2] == ["get", "pod"]:
    get_pod(args[2])
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
elif args[0] == "unused":
    rights.unused()
elif args[0] == "admit":
    rights.admit_all(json.load(sys.stdin)["items"])
elif args[0] == "names":
    nodes.names(int(args[1]))
else:
    fail(f"the fake cluster does not know {args}")
