#!/bin/sh
# Asks each endpoint of the running services once. Needs `make up`.
set -eu

api=http://127.0.0.1:30080
worker=http://127.0.0.1:30081
failed=0
up="make up"

[ "${PLATFORM:-local}" != k3d ] || up="make up PLATFORM=k3d"
# Another cluster's ports may not be reachable from here; what its API server leads to is.
if [ "${PLATFORM:-local}" = k3d ] && [ "${LAB_CONTEXT:-k3d-lab}" != k3d-lab ]; then
    up="$up CONTEXT=$LAB_CONTEXT${LAB_IMAGE:+ IMAGE=$LAB_IMAGE}"
    said=$(mktemp)
    kubectl --context="$LAB_CONTEXT" proxy --address=127.0.0.1 --port=0 \
        --accept-paths='^/api/v1/namespaces/lab/services/[^/]+/proxy/' >"$said" 2>&1 &
    proxy=$!
    trap 'kill "$proxy" 2>/dev/null; rm -f "$said"' EXIT
    trap 'exit 130' INT TERM
    tries=0
    until grep -q '^Starting to serve on' "$said"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 50 ] || ! kill -0 "$proxy" 2>/dev/null; then
            echo "smoke: \`kubectl proxy\` does not run: $(cat "$said")" >&2
            exit 1
        fi
        sleep 0.2
    done
    services=http://$(sed -n 's/^Starting to serve on //p' "$said")/api/v1/namespaces/lab/services
    api=$services/api:http/proxy
    worker=$services/worker:http/proxy
fi

# check NAME CURL_ARGS...: the answer must be a 2xx within 5 s.
check() {
    name=$1
    shift
    if answer=$(curl --noproxy '*' --silent --show-error --fail --max-time 5 "$@" 2>&1); then
        printf 'ok      %-20s %s\n' "$name" "$(printf '%s' "$answer" | head -n 1 | cut -c 1-90)"
    else
        printf 'FAILED  %-20s %s\n' "$name" "$answer"
        failed=1
    fi
}

check "api is ready" "$api/readyz"
check "worker is ready" "$worker/readyz"
check "bystander" "$api/cases/local"
check "step 1, quote" "$api/cases/timeouts?key=1"
check "step 2, payment" --header 'content-type: application/json' \
    --data "{\"key\":\"smoke-$$-$(date +%s)\",\"account\":1,\"amount\":1}" "$api/cases/tx"
check "step 3, batch" --header 'content-type: application/json' \
    --data '{"fast":1,"slow":0}' "$worker/batches?wait=true"
check "step 4, CPU work" "$api/cases/autoscale?cpu_ms=5"
check "api metrics" "$api/metrics"
check "worker metrics" "$worker/metrics"

if [ "$failed" != 0 ]; then
    echo "smoke: something does not answer; is it running? Start it with: $up" >&2
    exit 1
fi
