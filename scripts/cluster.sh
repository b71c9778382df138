#!/bin/sh
# PLATFORM=k3d: checks this machine, makes the cluster, keeps the services on it, takes it down.
# With CONTEXT another cluster is used, which is neither made nor stopped.
set -eu
cd "$(dirname "$0")/.."

own=k3d-lab
context=${LAB_CONTEXT:-$own}
runs=${LAB_NAMESPACE:-lab-run}
kubectl="kubectl --context=$context"
# Added to what is suggested, so that it is about the same cluster and the same image.
same="PLATFORM=k3d$([ "$context" = "$own" ] || echo " CONTEXT=$context")${LAB_IMAGE:+ IMAGE=$LAB_IMAGE}"

fail() {
    echo "cluster: $1" >&2
    exit 1
}

# version_of "TEXT": x.y of the x.y.z in it.
version_of() { printf '%s\n' "$1" | sed -n 's/.*[^0-9.]\([0-9][0-9]*\.[0-9][0-9]*\)\.[0-9].*/\1/p' | head -n 1; }

# at_least X.Y MIN_X.MIN_Y
at_least() {
    [ "${1%%.*}" -gt "${2%%.*}" ] ||
        { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${1#*.}" -ge "${2#*.}" ]; }
}

lacks=0
ok() { printf 'ok     %-14s %s\n' "$1" "$2"; }
lack() {
    printf 'LACKS  %-14s %s\n' "$1" "$2"
    lacks=1
}

# check_tool NAME MINIMUM WHERE_FROM VERSION_ARGUMENTS...
check_tool() {
    tool=$1 minimum=$2 from=$3
    shift 3
    if ! command -v "$tool" >/dev/null 2>&1; then
        lack "$tool" "is not installed; see $from"
        return
    fi
    version=$(version_of "$("$tool" "$@" 2>/dev/null | head -n 1)")
    if [ -n "$version" ] && at_least "$version" "$minimum"; then
        ok "$tool" "$version"
    else
        lack "$tool" "is ${version:-of no known version}; $minimum or later is needed, see $from"
    fi
}

check_docker() {
    if ! command -v docker >/dev/null 2>&1; then
        lack docker "is not installed; see https://docs.docker.com/get-docker/"
        return
    fi
    if ! size=$(docker info --format '{{.NCPU}} {{.MemTotal}}' 2>/dev/null); then
        lack docker "does not answer; start it (Docker Desktop, colima start, systemctl start docker)"
        return
    fi
    cpus=${size%% *}
    mebibytes=$((${size##* } / 1048576))
    if [ "$cpus" -lt 2 ] || [ "$mebibytes" -lt 3500 ]; then
        lack docker "has $cpus CPUs and $mebibytes MiB; give it 2 and 4 GiB (Docker Desktop: Settings, Resources; colima start --cpu 2 --memory 4)"
    else
        ok docker "$cpus CPUs, $mebibytes MiB"
    fi
}

# Whether k3d has the workshop's cluster, running or not.
exists() { k3d cluster list lab >/dev/null 2>&1; }

check_port() {
    if exists; then
        ok port "$1 belongs to the workshop's cluster"
        return
    fi
    status=0
    curl --noproxy '*' --silent --output /dev/null --max-time 2 "http://127.0.0.1:$1/" || status=$?
    # 7: nobody listens.
    if [ "$status" = 7 ]; then
        ok port "$1 is free"
    else
        lack port "$1 is taken ('lsof -i :$1' names the program); if it is the local stack, 'make down' frees it"
    fi
}

preflight() {
    check_tool kubectl 1.24 https://kubernetes.io/docs/tasks/tools/ version --client
    if [ "$context" = "$own" ]; then
        check_docker
        check_tool k3d 5.6 "https://k3d.io (brew install k3d)" version
        check_port 30080
        check_port 30081
    elif $kubectl get --raw /readyz >/dev/null 2>&1; then
        ok cluster "$context answers"
        if $kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes >/dev/null 2>&1; then
            ok metrics "the cluster has figures of CPU use"
        else
            lack metrics "the cluster has no figures of CPU use, for step 4; 'kubectl --context $context apply -f deploy/k8s/metrics-server.yaml' installs metrics-server"
        fi
    else
        lack cluster "$context does not answer; 'kubectl --context $context get nodes' says why"
    fi
    [ "$lacks" = 0 ] || exit 1
    echo "Ready: make up $same starts the services"
}

start_cluster() {
    [ "$context" = "$own" ] || return 0
    if ! exists; then
        k3d cluster create --config deploy/k3d.yaml ||
            fail "k3d could not make the cluster. 'make preflight PLATFORM=k3d' checks what it needs; what is half
  made goes with 'k3d cluster delete lab'"
    else
        # Starting one that runs does nothing.
        k3d cluster start lab --wait --timeout 120s || fail "k3d could not start the cluster; 'k3d cluster delete lab' removes it, and 'make up PLATFORM=k3d' makes a new one"
    fi
    for deployment in coredns metrics-server; do
        # A new cluster has them some seconds after it says that it is there.
        tries=0
        until $kubectl --namespace kube-system get deployment "$deployment" >/dev/null 2>&1; do
            tries=$((tries + 1))
            [ "$tries" -lt 60 ] || fail "the cluster has no $deployment"
            sleep 1
        done
        $kubectl --namespace kube-system rollout status deployment "$deployment" --timeout=180s ||
            fail "$deployment does not start; 'kubectl --context $context -n kube-system get pods' says more. Without a network its image must have been fetched before: 'make prefetch PLATFORM=k3d'"
    done
}

# The image that is meant: the one that was named, or one of this folder's code, which is made where it is lacking.
the_image() {
    if [ -n "${LAB_IMAGE:-}" ]; then echo "$LAB_IMAGE"; else sh scripts/image.sh; fi
}

# apply IMAGE
apply() {
    for file in namespace dep worker postgres auditor api-service api-deploy api-hpa; do
        sed "s|image: lab:0.1.0|image: $1|" "deploy/k8s/$file.yaml" | $kubectl apply --filename=- ||
            fail "deploy/k8s/$file.yaml was refused, see above. If it is of an older version of the workshop,
  'kubectl --context $context delete namespace lab' removes all that 'make up' has made"
    done
    # Another cluster is asked through its API server, whose own name the services see as the host.
    [ "$context" = "$own" ] || $kubectl --namespace lab set env deployment/api deployment/worker \
        "LAB_ALLOWED_HOSTS=$(api_server)" >/dev/null ||
        fail "the services' environment could not be set, see above"
}

api_server() {
    $kubectl config view --minify --output='jsonpath={.clusters[0].cluster.server}' | sed 's|^[a-z]*://||; s|[:/].*||'
}

wait_for_services() {
    for name in statefulset/postgres deployment/auditor deployment/dep deployment/worker deployment/api; do
        $kubectl --namespace lab rollout status "$name" --timeout=180s ||
            fail "$name is not ready; 'kubectl --context $context -n lab get pods,events' says more"
    done
}

tell() {
    if [ "$context" = "$own" ]; then
        echo "api      http://127.0.0.1:30080   e.g. curl http://127.0.0.1:30080/cases/local"
        echo "worker   http://127.0.0.1:30081"
    else
        echo "The services are NodePorts 30080 (api) and 30081 (worker). To have them on this machine:"
        echo "  kubectl --context $context -n lab port-forward service/api 30080:8080 &"
        echo "  kubectl --context $context -n lab port-forward service/worker 30081:8081 &"
    fi
    echo "make smoke $same asks each, make dev $same after an edit, make down $same stops them"
}

up() {
    start_cluster
    image=$(the_image)
    apply "$image"
    wait_for_services
    tell
}

# The image that the services run; nothing where they are down.
running() {
    $kubectl --namespace lab get deployment api --ignore-not-found \
        --output='jsonpath={.spec.template.spec.containers[0].image}' || fail "the cluster does not answer; see above"
}

dev() {
    begun=$(date +%s)
    image=$(the_image)
    loaded=$(date +%s)
    before=$(running)
    apply "$image" >/dev/null
    # Another image restarts them by itself.
    [ "$before" != "$image" ] ||
        $kubectl --namespace lab rollout restart deployment/dep deployment/worker deployment/auditor deployment/api >/dev/null
    wait_for_services
    now=$(date +%s)
    echo "dev: $((now - begun)) s: image $((loaded - begun)) s, restart $((now - loaded)) s"
}

down() {
    if [ "$context" != "$own" ]; then
        # The namespace and its Services stay: a name that was gone is not found for half a minute after it is back.
        $kubectl --namespace lab delete --ignore-not-found horizontalpodautoscaler/api deployment/api deployment/worker \
            deployment/dep deployment/auditor statefulset/postgres secret/database ||
            fail "not everything could be removed, see above"
        echo "Down. The names of the services stay, so that 'make up $same' finds them at once;"
        echo "'kubectl --context $context delete namespace lab $runs' removes all that the workshop has made there."
    elif exists; then
        # Stopped and not deleted: its images are needed without a network.
        k3d cluster stop lab
        echo "Down. 'k3d cluster delete lab' would remove the cluster and its images."
    else
        echo "Nothing is up."
    fi
}

wipe() {
    if [ "$context" = "$own" ] && ! { command -v k3d >/dev/null 2>&1 && exists; }; then
        echo "There is no cluster to wipe."
        return
    fi
    $kubectl delete namespace lab "$runs" --ignore-not-found ||
        fail "the cluster of context '$context' does not answer; nothing was wiped there"
}

# base NAME: a base image, as deploy/Dockerfile names it.
base() { sed -n "s/^ARG $1=//p" deploy/Dockerfile; }

# Sees to it that Docker has the images; of those that it has, no registry is asked.
fetch_images() {
    missing=
    for image; do
        if docker image inspect "$image" >/dev/null 2>&1; then
            ok image "$image"
        elif docker pull "$image"; then
            ok image "$image, fetched"
        else
            missing="$missing
    docker pull $image"
        fi
    done
    [ -z "$missing" ] || fail "images are missing and could not be fetched. Is there a network? What says more, or
  brings them another day (or 'docker save' on a machine that has them, and 'docker load' here):$missing"
}

prefetch() {
    [ "$context" = "$own" ] || fail "prefetch is for the workshop's own cluster; another pulls its images itself"
    postgres=$(sed -n 's/^ *image: \(postgres:.*\)/\1/p' deploy/k8s/postgres.yaml)
    fetch_images "$(sed -n 's/^image: //p' deploy/k3d.yaml)" "$postgres" \
        "${LAB_BUILD_BASE:-$(base BUILD_BASE)}" "${LAB_RUN_BASE:-$(base RUN_BASE)}"
    # The node fetches its system images by starting; the build fetches its crates.
    start_cluster
    sh scripts/image.sh >/dev/null
    docker exec k3d-lab-server-0 ctr --namespace k8s.io images ls --quiet | grep -q "/$postgres\$" ||
        docker save "$postgres" | docker exec -i k3d-lab-server-0 ctr --namespace k8s.io images import - ||
        fail "$postgres could not be loaded into the cluster"
    echo "prefetch: the cluster runs offline from now on; stop it with 'make down PLATFORM=k3d', which keeps it"
}

case ${1:-} in
preflight | prefetch | up | dev | down | wipe) "$1" ;;
*) fail "usage: scripts/cluster.sh preflight|prefetch|up|dev|down|wipe" ;;
esac
