#!/bin/sh
# run.sh PROGRAM ARGUMENTS...: runs a program of the workshop, and builds what has changed of it before.
set -eu
cd "$(dirname "$0")/.."
program=$1
shift

# What cargo says, but for "Finished": that it builds something, and that it waits.
build() {
    cargo build --profile lab "$@" 2>&1 || echo "cargo failed"
}
tell() {
    while IFS= read -r line; do
        case $line in
        *"Blocking waiting for file lock"*) echo "Waiting for another cargo build to end …" ;;
        "cargo failed") return 1 ;;
        *" Finished "*) ;;
        *) printf '%s\n' "$line" ;;
        esac
    done
}

if [ -x "target/lab/$program" ]; then
    build --bin "$program" | tell >&2 || exit 2
else
    # The first build takes minutes and shows itself what it does. A run needs two programs; the guide can ask for any.
    # Where your code does not compile the others are made.
    case $program in
    driver) cargo build --profile lab --keep-going --bin driver --bin lab || : ;;
    # It lets a run that is under way go first.
    mdbook-lab) nice cargo build --profile lab --keep-going || : ;;
    *) cargo build --profile lab --bin "$program" || : ;;
    esac
fi
exec cargo run --quiet --profile lab --bin "$program" -- "$@"
