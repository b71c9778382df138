#!/bin/sh
# What there is to make: the targets of the Makefile that say what they do, with the steps by name, from their scenarios.
set -eu
cd "$(dirname "$0")/.."

# Each step, in order: its number, a tab, and what is told of it.
steps() {
    awk '
        function tell() {
            if (title != "") printf "%s\trun step %s, %s, with your code%s\n", step, step, tolower(title), later
        }
        FNR == 1 { tell(); table = step = title = later = "" }
        /^\[/ { table = $1 }
        table == "" && /^step = / { step = $3 }
        table == "[lesson]" && /^title = / { split($0, text, "\""); title = text[2] }
        table == "[lesson]" && /^part = "afterwards"/ { later = ", after the event" }
        END { tell() }
    ' driver/scenarios/*.toml | sort -n
}

line() { printf '  %-30s %s\n' "$1" "$2"; }

printf 'usage: make TARGET [PLATFORM=local|k3d]\n\n'
tab=$(printf '\t')
sed -n "s/^\([a-z][a-z0-9 %-]*\):.*## /\1$tab/p" Makefile | while IFS=$tab read -r target text; do
    case $target in
    step%) steps | while IFS=$tab read -r number told; do line "step$number" "$told"; done ;;
    solve%) line "$(steps | awk '{ printf "%ssolve%s", (NR > 1 ? " " : ""), $1 }')" "$text" ;;
    catchup%) line "$(steps | awk 'NR > 1 { printf "%scatchup%s", (NR > 2 ? " " : ""), $1 }')" "$text" ;;
    *) line "$target" "$text" ;;
    esac
done
