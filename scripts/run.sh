#!/bin/sh
# run.sh PROGRAM ARGUMENTS...: runs a program of the workshop, and builds what has changed of it before.
set -eu
cd "$(dirname "$0")/.."
program=$1
shift

# The process that is about to run something and goes first until it has built that: cargo builds one thing at a time.
first=.lab/build.first
goes_first() { [ -s "$first" ] && kill -0 "$(cat "$first")"; } 2>/dev/null
# The driver, which this process becomes, takes it back: see driver/src/command/mod.rs.
go_first() { mkdir -p .lab && echo $$ >"$first"; } 2>/dev/null

# tree PROCESS: that one and all that it has started, and they in turn.
tree() {
    ps -A -o pid= -o ppid= | awk -v of="$1" '
        { parent[$1] = $2 }
        END { for (pid in parent) { up = pid; while (up > 1 && up != of) up = parent[up]; if (up == of) print pid } }
    '
}

# Ends a build as Ctrl-C would, without a word. A compiler that went on alone would write where the next one writes;
# while they stand still none can start another.
end_build() {
    # shellcheck disable=SC2046 # words are meant
    { kill -STOP $(tree "$1"); kill -KILL $(tree "$1"); wait "$1"; } 2>/dev/null || :
}

# Builds, as build.sh does, but gives way to a run. What was compiled till then is kept: cargo goes on from there.
build_giving_way() {
    while :; do
        while goes_first; do sleep 0.2; done
        # Niced for those that have built already.
        nice sh scripts/build.sh "$@" &
        build=$!
        trap 'end_build "$build"; exit 130' INT TERM
        while kill -0 "$build" 2>/dev/null && ! goes_first; do sleep 0.2; done
        kill -0 "$build" 2>/dev/null || break
        end_build "$build"
        echo "Another command goes first: the rest of the guide is built when that has what it needs." >&2
    done
    trap - INT TERM
    wait "$build"
}

# The first build makes more than the program: a run needs two, and the guide can ask for any. Where your code does not
# compile the others are made.
built=$([ -x "target/lab/$program" ] && echo yes || echo no)
[ "$program" != driver ] || go_first || :
case $program,$built in
driver,no) sh scripts/build.sh --first --keep-going --bin driver --bin lab || : ;;
mdbook-lab,no) build_giving_way --first --keep-going || : ;;
mdbook-lab,yes) build_giving_way --bin mdbook-lab || exit 2 ;;
*,no) sh scripts/build.sh --first --bin "$program" || : ;;
*,yes) sh scripts/build.sh --bin "$program" || exit 2 ;;
esac
exec cargo run --quiet --profile lab --bin "$program" -- "$@"
