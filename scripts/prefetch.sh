#!/bin/sh
# Fetches and builds all that the workshop needs, so that it works without a network afterwards.
set -eu
cd "$(dirname "$0")/.."

if [ "${PLATFORM:-local}" != local ]; then
    exec cargo run --quiet --profile lab --bin driver -- doctor
fi
echo "prefetch: crates"
cargo fetch --locked
echo "prefetch: building the services and the driver (some minutes the first time)"
cargo build --locked --profile lab --workspace
echo "prefetch: done; the workshop now runs offline"
