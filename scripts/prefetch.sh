#!/bin/sh
# Fetches and builds all that the workshop needs, so that it works without a network afterwards.
set -eu
cd "$(dirname "$0")/.."

echo "prefetch: crates"
cargo fetch --locked
# The very build that the targets ask for: cargo builds a crate anew where its features differ.
echo "prefetch: building all that the workshop runs (some minutes the first time)"
sh scripts/build.sh --first --locked
echo "prefetch: done; the workshop now runs offline"
