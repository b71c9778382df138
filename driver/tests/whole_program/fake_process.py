"""Pods of the tests' cluster that are processes of this machine: how a container starts, how it ended, whether its
readiness probe succeeds, and PostgreSQL, which is this machine's own.

The kernel does not limit their CPU: of several hierarchies of control groups a service would have to find the one that
a test may write, where a container sees only its own. So step 4 passes in `.ci/containers` and not here.
"""

import glob, os, pathlib, pwd, re, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request

STATE = pathlib.Path(os.environ["FAKE_CLUSTER"])

# Says which process the container is, and in the end how that ended: who asks is no parent of it.
CONTAINER = '"$@" & echo "$!" >"$0.pid"; wait "$!"; echo "$?" >"$0.exit"'

# PostgreSQL refuses to be root.
UNPRIVILEGED = ("import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); "
                "os.execv(sys.argv[3], sys.argv[3:])")

# Data that is thrown away; see lab's own in driver/src/platform/local/postgres/guard.rs.
SETTINGS = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "full_page_writes=off",
            "synchronous_commit=off", "dynamic_shared_memory_type=mmap", "shared_buffers=32MB"]


def begin(pod):
    """Starts the container of a pod, anew perhaps; what it says first."""
    files = STATE / f"container-{pod['name']}"
    pid, exit = (pathlib.Path(f"{files}{end}") for end in (".pid", ".exit"))
    # What somebody has done to one of that name is over.
    for file in (pid, exit, *(STATE / f"{what}-{pod['name']}" for what in ("oom", "evicted"))):
        file.unlink(missing_ok=True)
    log = open(STATE / f"{pod['app']}.log", "a")
    process = subprocess.Popen(["sh", "-c", CONTAINER, str(files), *pod["argv"]], env={**os.environ, **pod["env"]},
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                               text=True)
    said = process.stdout.readline() if pod["app"] != "postgres" else ""
    while not (pid.exists() and pid.read_text().endswith("\n")):
        time.sleep(0.005)
    pod["pid"] = int(pid.read_text())
    return said


def began(pod, container, secrets, dep, database, names):
    """A container as the pod's spec says, on a port that is free; `names` is whether it finds others by their names."""
    argv = [re.sub(r"^--listen=.*", "--listen=127.0.0.1:0", a) for a in container.get("args", [])]
    env = {}
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        env[variable["name"]] = secrets[reference["name"]][reference["key"]] if reference else variable["value"]
    if names:
        argv = [a.replace("http://dep:8082", f"http://127.0.0.1:{dep}") for a in argv]
        env = {name: value.replace("@postgres:5432/", f"@127.0.0.1:{database}/") for name, value in env.items()}
    pod = {**pod, "host": "127.0.0.1", "env": env, "argv": [os.environ["LAB"], *argv],
           "probe": container.get("readinessProbe")}
    if pod["app"] == "postgres":
        return postgres(pod)
    pod["port"] = int(begin(pod).rsplit(":", 1)[1])
    # As a pod it has the same address when it is started again.
    pod["argv"] = [re.sub(r"^--listen=.*", f"--listen=127.0.0.1:{pod['port']}", a) for a in pod["argv"]]
    return pod


def how_it_ended(pod):
    """As a kubelet tells it; none while it runs."""
    try:
        code = int((STATE / f"container-{pod['name']}.exit").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return ended(pod, code)


def ended(pod, code):
    killed = (STATE / f"oom-{pod['name']}").exists()
    reason = "OOMKilled" if killed else "Error" if code else "Completed"
    return {"exitCode": code, "reason": reason}


READY = {}


def is_ready(pod):
    """What its readiness probe says: asked at once until it succeeds, and then as often as the manifest has it."""
    period = (pod.get("probe") or {}).get("periodSeconds", 10)
    if time.time() - READY.get(pod["pid"], 0) < period:
        return True
    ready = not pod.get("probe") or probe(pod)
    if ready:
        READY[pod["pid"]] = time.time()
    return ready


def probe(pod):
    if pod["app"] == "postgres":
        command = [str(programs() / "pg_isready"), "--host=127.0.0.1", f"--port={pod['port']}", "--quiet"]
        return subprocess.run(command).returncode == 0
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{pod['port']}{pod['probe']['httpGet']['path']}", timeout=1).close()
        return True
    except OSError:
        return False


def programs():
    """The folder with PostgreSQL's."""
    found = shutil.which("initdb")
    places = [found] if found else []
    for place in ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"):
        places += sorted(glob.glob(f"{place}/initdb"), key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
    if not places:
        print("the fake cluster has no PostgreSQL: there is no initdb on this machine", file=sys.stderr)
        sys.exit(1)
    return pathlib.Path(places[-1]).parent


def postgres(pod):
    """Starts PostgreSQL on a free port, as its image does: with one role and one database."""
    env, bin = pod["env"], programs()
    # Outside of the state: who runs it must get there, and its path must be short.
    folder = tempfile.mkdtemp(prefix="lab-test-postgres-")
    password = pathlib.Path(folder) / "password"
    password.write_text(env["POSTGRES_PASSWORD"])
    user = []
    if os.geteuid() == 0:
        account = next(filter(None, map(account_of, ("postgres", "nobody"))))
        for path in (folder, password):
            os.chown(path, account.pw_uid, account.pw_gid)
        user = [sys.executable, "-c", UNPRIVILEGED, str(account.pw_uid), str(account.pw_gid)]
    data = f"{folder}/data"
    quiet = {"stdout": subprocess.DEVNULL, "check": True, "cwd": folder}
    subprocess.run([*user, str(bin / "initdb"), f"--pgdata={data}", f"--username={env['POSTGRES_USER']}",
                    f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"], **quiet)
    server = [*user, str(bin / "postgres")]
    subprocess.run([*server, "--single", "-D", data, "postgres"], input=f"create database {env['POSTGRES_DB']}\n",
                   text=True, **quiet)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        pod["port"] = free.getsockname()[1]
    settings = [*SETTINGS, f"port={pod['port']}"]
    pod["argv"] = [*server, "-D", data, *(part for setting in settings for part in ("-c", setting))]
    pod["folder"] = folder
    begin(pod)
    return pod


def account_of(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def end(pod, alive):
    """Ends the process of a pod; PostgreSQL with its data."""
    if pod["pid"] and alive(pod["pid"]):
        os.kill(pod["pid"], signal.SIGINT if pod["app"] == "postgres" else signal.SIGTERM)
    if "folder" not in pod:
        return
    for rude in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.time() + 5
        while alive(pod["pid"]) and time.time() < deadline:
            time.sleep(0.02)
        if alive(pod["pid"]):
            os.kill(pod["pid"], rude)
    shutil.rmtree(pod["folder"], ignore_errors=True)
