#!/bin/sh
# Checks this machine. What can be checked without the driver comes first, since it needs a
# toolchain to be built.
set -eu
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null 2>&1; then
    echo "preflight: no Rust toolchain: cargo is not on PATH." >&2
    echo "  Install it from https://rustup.rs, open a new terminal, and try again." >&2
    exit 1
fi
[ -x target/lab/driver ] || echo "preflight: what checks this machine is built first: two to five minutes on two cores." >&2
exec sh scripts/run.sh driver doctor "$@"
