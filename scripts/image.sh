#!/bin/sh
# Builds the image of the services from this folder and loads it into the cluster of LAB_CONTEXT.
set -eu
cd "$(dirname "$0")/.."

context=${LAB_CONTEXT:-k3d-lab}
image=lab:0.1.0
# What was loaded last, so that an unchanged image is not loaded again.
loaded=.lab/image-$(printf '%s' "$context" | tr -c 'A-Za-z0-9._-' '_')

fail() {
    echo "image: $1" >&2
    exit 1
}

case $context in
k3d-* | kind-* | minikube) ;;
*)
    fail "how to load an image into the cluster of context '$context' is not known here.
  Build and push it yourself, and name it:
    docker build --tag REGISTRY/lab:TAG --file deploy/Dockerfile . && docker push REGISTRY/lab:TAG
    make step1 PLATFORM=k3d CONTEXT=$context IMAGE=REGISTRY/lab:TAG
  Where you have loaded it into the nodes as $image, IMAGE=$image is enough."
    ;;
esac
command -v docker >/dev/null 2>&1 || fail "docker is not installed; see https://docs.docker.com/get-docker/"
docker info >/dev/null 2>&1 || fail "Docker does not answer; start it (Docker Desktop, colima start, systemctl start docker)"

begun=$(date +%s)
docker build --tag "$image" --file deploy/Dockerfile \
    ${LAB_BUILD_BASE:+--build-arg "BUILD_BASE=$LAB_BUILD_BASE"} \
    ${LAB_RUN_BASE:+--build-arg "RUN_BASE=$LAB_RUN_BASE"} . ||
    fail "the image was not built. If it was a base image that could not be fetched: 'make prefetch PLATFORM=k3d'
  on a network, or LAB_BUILD_BASE and LAB_RUN_BASE name local ones; see deploy/Dockerfile"
built=$(date +%s)

id=$(docker image inspect --format '{{.Id}}' "$image")
if [ "$(cat "$loaded" 2>/dev/null)" = "$context $id" ]; then
    echo "image: built in $((built - begun)) s, and the cluster has it already"
    exit 0
fi
case $context in
k3d-*)
    cluster=${context#k3d-}
    # With Docker's containerd image store the import says yes and imports nothing (k3d issue 1538): ask.
    node=k3d-$cluster-server-0
    has_it() { docker exec "$node" ctr --namespace k8s.io images ls --quiet | grep -q "/$image\$"; }
    if ! k3d image import "$image" --cluster "$cluster" || ! has_it; then
        echo "image: k3d's import did not work; handing it to the node directly"
        docker save "$image" | docker exec -i "$node" ctr --namespace k8s.io images import - ||
            fail "the image could not be loaded into $node; is the cluster up? 'make up PLATFORM=k3d'"
    fi
    ;;
kind-*) kind load docker-image "$image" --name "${context#kind-}" ;;
minikube) minikube image load "$image" ;;
esac
mkdir -p .lab
echo "$context $id" >"$loaded.new"
mv "$loaded.new" "$loaded"
echo "image: built in $((built - begun)) s, loaded in $(($(date +%s) - built)) s"
