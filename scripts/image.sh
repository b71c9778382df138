#!/bin/sh
# Sees to it that the cluster of LAB_CONTEXT has an image of this folder's code, and prints its name. The name
# is made from the code: another code has another name, and what is there under it is neither built nor loaded again.
set -eu
cd "$(dirname "$0")/.."

context=${LAB_CONTEXT:-k3d-lab}

say() { echo "image: $1" >&2; }
fail() {
    say "$1"
    exit 1
}

if command -v sha256sum >/dev/null 2>&1; then sum=sha256sum; else sum="shasum -a 256"; fi

# The name: of all that the build sees (.dockerignore lists it), and how it is told to build.
name_of_code() {
    # shellcheck disable=SC2046,SC2086 # words are meant
    {
        find deploy/Dockerfile $(sed -n 's/^!//p' .dockerignore) -type f -exec $sum {} + | LC_ALL=C sort
        echo "${LAB_BUILD_BASE:-} ${LAB_RUN_BASE:-}"
    } | $sum | sed 's/^\(.\{12\}\).*/lab:code-\1/'
}

# The containers that are the nodes of a cluster of k3d.
nodes() {
    docker ps --quiet --filter "label=k3d.cluster=${context#k3d-}" --filter "label=k3d.role=server"
    docker ps --quiet --filter "label=k3d.cluster=${context#k3d-}" --filter "label=k3d.role=agent"
}

# Whether each node of the cluster has the image.
cluster_has_it() {
    case $context in
    k3d-*) there="ctr --namespace k8s.io images ls --quiet" nodes=$(nodes) ;;
    kind-*) there="ctr --namespace k8s.io images ls --quiet" nodes=$(kind get nodes --name "${context#kind-}") ;;
    minikube)
        minikube image ls | grep -q "/$image\$"
        return
        ;;
    esac
    [ -n "$nodes" ] || return 1
    for node in $nodes; do
        # shellcheck disable=SC2086
        docker exec "$node" $there | grep -q "/$image\$" || return 1
    done
}

# BuildKit keeps what the compiler needs to make only what was edited anew. Docker has it with the plugin
# buildx, and before 23 in itself.
has_buildkit() {
    [ "${DOCKER_BUILDKIT:-1}" != 0 ] || return 1
    docker buildx version >/dev/null 2>&1 && return
    major=$(docker version --format '{{.Client.Version}}' 2>/dev/null | sed 's/[^0-9].*//')
    [ "${major:-99}" -lt 23 ]
}

build() {
    set -- --tag "$image" --file - \
        ${LAB_BUILD_BASE:+--build-arg "BUILD_BASE=$LAB_BUILD_BASE"} ${LAB_RUN_BASE:+--build-arg "RUN_BASE=$LAB_RUN_BASE"} .
    if has_buildkit; then
        DOCKER_BUILDKIT=1 docker build "$@" <deploy/Dockerfile >&2
    else
        say "Docker has no BuildKit here (the package docker-buildx), so all of the services is compiled: some 20 s"
        sed 's/ --mount=type=cache,[^ ]*//' deploy/Dockerfile | DOCKER_BUILDKIT=0 docker build "$@" >&2
    fi
}

# Of this folder's code, even where that is saved while it builds.
build_todays_code() {
    while :; do
        image=$(name_of_code)
        docker image inspect "$image" >/dev/null 2>&1 && return
        build || fail "the image was not built. If it was a base image that could not be fetched: 'make prefetch PLATFORM=k3d'
  on a network, or LAB_BUILD_BASE and LAB_RUN_BASE name local ones; see deploy/Dockerfile"
        [ "$(name_of_code)" != "$image" ] || return 0
        say "the code was edited meanwhile; once more"
        docker image rm "$image" >/dev/null
    done
}

# Images of code that is no more; without their layers the next build would have to begin from nothing.
forget_older() {
    docker image ls --format '{{.Repository}}:{{.Tag}}' lab | grep '^lab:code-' | grep -v "^$image\$" |
        while read -r older; do docker image rm --no-prune "$older" >/dev/null 2>&1 || true; done
}

load() {
    case $context in
    k3d-*)
        # k3d's own import takes 3 s longer, and with Docker's containerd image store it says yes and imports
        # nothing (k3d issue 1538).
        for node in $(nodes); do
            docker save "$image" | docker exec -i "$node" ctr --namespace k8s.io images import - >&2 || true
        done
        cluster_has_it || k3d image import "$image" --cluster "${context#k3d-}" >&2 || true
        ;;
    kind-*) kind load docker-image "$image" --name "${context#kind-}" >&2 ;;
    minikube) minikube image load "$image" >&2 ;;
    esac
    cluster_has_it || fail "$image could not be loaded into the cluster of context '$context', see above; is it up? 'kubectl --context $context get nodes'"
}

case $context in
k3d-* | kind-* | minikube) ;;
*)
    fail "how to load an image into the cluster of context '$context' is not known here.
  Build and push it yourself, each time under a new tag (nodes keep what they have of an old one), and name it:
    docker build --tag REGISTRY/lab:TAG --file deploy/Dockerfile . && docker push REGISTRY/lab:TAG
    make step1 PLATFORM=k3d CONTEXT=$context IMAGE=REGISTRY/lab:TAG
  Where you have loaded an image into the nodes by hand, IMAGE= and its name are enough."
    ;;
esac
command -v docker >/dev/null 2>&1 || fail "docker is not installed; see https://docs.docker.com/get-docker/"
docker info >/dev/null 2>&1 || fail "Docker does not answer; start it (Docker Desktop, colima start, systemctl start docker)"

begun=$(date +%s)
image=$(name_of_code)
if cluster_has_it; then
    say "the cluster has $image, which is of this code, already"
    echo "$image"
    exit
fi
build_todays_code
built=$(date +%s)
cluster_has_it || load
forget_older
say "built in $((built - begun)) s, loaded in $(($(date +%s) - built)) s"
echo "$image"
