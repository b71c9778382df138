#!/bin/sh
# Fetches and builds all that the workshop needs, so that it works without a network afterwards.
set -eu
cd "$(dirname "$0")/.."

# The very builds that the targets ask for: cargo builds a crate anew where its features differ.
echo "prefetch: crates"
cargo fetch --locked
echo "prefetch: building the services and the driver (some minutes the first time)"
cargo build --locked --profile lab --bin driver --bin lab
echo "prefetch: building the guide and its small programs"
cargo build --locked --profile lab --package mdbook-lab
cargo build --locked --profile lab --examples
echo "prefetch: done; the workshop now runs offline"
