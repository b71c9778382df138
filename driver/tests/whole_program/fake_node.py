"""What a node gives to the containers of the tests' cluster: readiness probes, empty folders that a restart leaves as
they are, names and addresses.

Each Service has an address of its own, a new one where it is made anew, which rules of the kernel lead to its ready
pods, as kube-proxy's do. Pods have the last three quarters of the network that begins with FAKE_PODS. Containers ask the name server FAKE_DNS, which keeps for 30 s what `kubectl names` answers.
"""

import json, os, pathlib, shutil, socket, subprocess, sys, time, urllib.request

STATE = pathlib.Path(os.environ["FAKE_CLUSTER"])
ZONE = "svc.cluster.local"
# Where Services are: nothing else has an address there.
SERVICES = "10.98.0"


def resolver():
    """What a kubelet writes into a pod's /etc/resolv.conf."""
    file = STATE / "resolv.conf"
    file.write_text(f"search lab-run.{ZONE} {ZONE}\nnameserver {os.environ['FAKE_DNS']}\noptions ndots:5\n")
    return file


def next_address():
    """The next of the pods' addresses, in turn: who comes does not get that of who has just gone."""
    with open(STATE / "addresses-given", "ab") as given:
        given.write(b".")
        given.flush()
        return f"{os.environ['FAKE_PODS']}.{64 + given.tell() % 191}"


def services():
    file = STATE / "addresses.json"
    return json.loads(file.read_text()) if file.exists() else {"made": 0, "of": {}}


def make_service(item):
    """One that is there keeps its address."""
    if item["kind"] != "Service":
        return
    known = services()
    service = {"port": item["spec"]["ports"][0]["port"], "app": item["spec"]["selector"]["app"]}
    name = item["metadata"]["name"]
    if name not in known["of"]:
        known["made"] += 1
        service["address"] = f"{SERVICES}.{known['made']}"
    known["of"][name] = {**known["of"].get(name, {}), **service}
    (STATE / "addresses.json").write_text(json.dumps(known))


def delete_services(kinds):
    if "services" in kinds.split(",") or os.environ.get("FAKE_TROUBLE") == "new-addresses":
        (STATE / "addresses.json").write_text(json.dumps({**services(), "of": {}}))


def route(ready):
    """Leads each Service's address to those of its pods that are ready, and refuses where there is none."""
    lead, refuse = ["*nat", ":LAB-TEST - [0:0]"], ["*filter", ":LAB-TEST - [0:0]"]
    for service in services()["of"].values():
        to = f"-A LAB-TEST -d {service['address']} -p tcp --dport {service['port']}"
        pods_of = [pod for pod in ready if pod["app"] == service["app"]]
        for left, pod in zip(range(len(pods_of), 0, -1), pods_of):
            share = f"-m statistic --mode random --probability {1 / left:.6f}" if left > 1 else ""
            lead.append(f"{to} {share} -j DNAT --to-destination {pod['host']}:{pod['port']}")
        if not pods_of:
            refuse.append(f"{to} -j REJECT")
    # An address that no Service has leads nowhere.
    refuse.append(f"-A LAB-TEST -d {SERVICES}.0/24 -j DROP")
    tables = "\n".join([*lead, "COMMIT", *refuse, "COMMIT", ""])
    done = subprocess.run(["iptables-restore", "--noflush"], input=tables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"iptables: {done.stderr.strip()}")


ROUTED = []


def follow(found, items):
    """The Services' addresses lead to the pods that a look has found ready."""
    ready = [p for p, item in zip(found, items) if item["status"]["conditions"][0]["status"] == "True"]
    if ROUTED != [ready]:
        route(ready)
        ROUTED[:] = [ready]


def clear():
    """All pods are gone."""
    shutil.rmtree(STATE / "volumes", ignore_errors=True)
    route([])


def empty_folder(pod, name):
    folder = STATE / "volumes" / f"{pod}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder


PROBED = {}


def is_ready(pod):
    """What its readiness probe says, which is asked as often as the manifest has it."""
    if not pod["probe"]:
        return True
    at, result = PROBED.get(pod["pid"], (0, False))
    if time.time() - at >= pod["probe"].get("periodSeconds", 10):
        result = probe(pod, pod["probe"])
        PROBED[pod["pid"]] = time.time(), result
    return result


def probe(pod, how):
    within = how.get("timeoutSeconds", 1)
    try:
        if "exec" in how:
            command = ["docker", "exec", pod["pid"], *how["exec"]["command"]]
            return subprocess.run(command, capture_output=True, timeout=within).returncode == 0
        urllib.request.urlopen(f"http://{pod['host']}:{pod['port']}{how['httpGet']['path']}", timeout=within).close()
        return True
    except (OSError, subprocess.TimeoutExpired):
        return False


def names(port):
    """Answers for the Services' names, as the cluster keeps them at that moment, to be kept for 30 s."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    while True:
        query, client = server.recvfrom(512)
        server.sendto(answer_to(query), client)


def answer_to(query):
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1:at + 1 + length].decode())
        at += 1 + length
    question = query[12:at + 5]
    kind = question[-4:-2]
    name = ".".join(labels).lower()
    service = services()["of"].get(labels[0]) if name.endswith(f".lab-run.{ZONE}") and len(labels) == 5 else None
    if service and kind == b"\0\1":
        record = b"\xc0\x0c\0\1\0\1" + (30).to_bytes(4, "big") + b"\0\4" + socket.inet_aton(service["address"])
        return query[:2] + b"\x85\0\0\1\0\1\0\0\0\0" + question + record
    # No such name, or no such record: that is kept for as long.
    zone = b"\7cluster\5local\0"
    start = b"\2ns\3dns" + zone + b"\4host\3dns" + zone + b"".join(n.to_bytes(4, "big") for n in (1, 7200, 1800, 86400, 30))
    soa = zone + b"\0\6\0\1" + (30).to_bytes(4, "big") + len(start).to_bytes(2, "big") + start
    code = b"\0" if service else b"\3"
    return query[:2] + b"\x85" + code + b"\0\1\0\0\0\1\0\0" + question + soa
