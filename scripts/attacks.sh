#!/bin/sh
# Tries the attacks that the tests know, on the guide, on the board and on the services, and counts which were stopped.
# SECURITY.md says what they are about. Those by a browser need Chromium.
set -eu
cd "$(dirname "$0")/.."

mkdir -p .lab
log=.lab/attacks.log
: >"$log"

# attack PACKAGE TEST FILTER...: two at a time, so that what each says stays on lines of its own. Cargo is asked for the
# whole workspace, as in `make test`, so that it has built all of it already.
attack() {
    package=$1
    test=$2
    shift 2
    cargo test --quiet --profile lab --workspace --test "$test" --no-run
    echo "Trying what is in $package/tests/$test …"
    # A test that fails is one of the figures.
    cargo test --profile lab --workspace --test "$test" -- --test-threads=2 "$@" >>"$log" 2>&1 || true
}

attack mdbook-lab security acting:: editor:: reading:: paths:: framing:: resources:: others:: board::
attack mdbook-lab browser strangers:: words::
attack lab-services services access:: browser:: limits::

awk '
    BEGIN {
        groups = "acting editor reading paths framing resources others board strangers words access browser limits"
        title["acting"] = "guide: to act without the right to"
        title["editor"] = "guide: to start something but the editor"
        title["reading"] = "guide: to read under another name or origin"
        title["paths"] = "guide: to get out of its folders"
        title["framing"] = "guide: to frame it, to run a script in it"
        title["resources"] = "guide: to take up all of it"
        title["others"] = "guide: another user of the machine"
        title["board"] = "board: to read, act or take up all of it"
        title["strangers"] = "guide: a page of a stranger, in Chromium"
        title["words"] = "guide: words that are no text, in Chromium"
        title["access"] = "services: what a web page can send"
        title["browser"] = "services: a page of a stranger, in Chromium"
        title["limits"] = "services: requests that make no sense"
    }
    FNR == NR && $1 == "SKIPPED" { sub(/:$/, "", $2); skipped[$2] = 1 }
    FNR == NR || $1 != "test" || $3 != "..." { next }
    {
        split($2, name, "::")
        group = name[1]
        if (name[2] in skipped) left[group]++
        else if ($4 == "ok") stopped[group]++
        else if ($4 == "FAILED") { through[group]++; failed = failed "\n  " $2 }
    }
    END {
        printf "\n%-46s %8s %8s %12s %10s\n", "attacks", "tried", "stopped", "got through", "not tried"
        count = split(groups, order, " ")
        for (at = 1; at <= count; at++) {
            group = order[at]
            s += stopped[group]; t += through[group]; l += left[group]
            printf "%-46s %8d %8d %12d %10d\n", title[group],
                stopped[group] + through[group], stopped[group], through[group], left[group]
        }
        printf "%-46s %8d %8d %12d %10d\n", "all", s + t, s, t, l
        if (failed != "") print "\nGot through:" failed
        if (l > 0) print "\nNot tried for want of a browser: CHROMIUM=PATH names one."
        exit s == 0 || t > 0
    }
' "$log" "$log" || {
    echo "What the tests said is in $log" >&2
    exit 1
}
