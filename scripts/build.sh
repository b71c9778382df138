#!/bin/sh
# build.sh [--first] ARGUMENTS...: `cargo build` in the workshop's profile. It says what is compiled and how far it is, of
# many crates at each tenth; that it waits for another build; nothing where all is fresh. A first build takes minutes: in
# a terminal cargo draws its own bar then.
set -eu
cd "$(dirname "$0")/.."

if [ "$1" = --first ]; then
    shift
    [ ! -t 2 ] || exec cargo build --profile lab "$@"
fi

# Whoever wants cargo's drawings has asked for them: the guide, which makes a bar of them.
drawings=${CARGO_TERM_PROGRESS_WHEN:-}
build() {
    CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=${CARGO_TERM_PROGRESS_WIDTH:-120} \
        cargo build --profile lab "$@" 2>&1 || echo "cargo failed"
}

# Each drawing, `Building [==>  ] 12/250: serde, tokio`, ends with a carriage return, and stands before the line of what
# is said next.
return=$(printf '\r')
tell() {
    counts='' tenth=''
    while IFS= read -r line; do
        said=$line
        # Shells look for the last of a thing in the square of a text's length; cargo's own lines are short.
        if [ "${#line}" -lt 16384 ]; then
            count
            case $line in *"$return"*) said=${line##*"$return"} ;; esac
        fi
        case $said in
        *"Blocking waiting for file lock"*) echo "Waiting for another cargo build to end …" ;;
        "cargo failed") return 1 ;;
        *" Finished "*) ;;
        *" Compiling "*) tell_crate ;;
        *) printf '%s\n' "$said" ;;
        esac
    done
}

count() {
    case $line in *"Building ["*"] "*/*": "*) ;; *) return 0 ;; esac
    latest=${line##*"Building ["}
    latest=${latest#*"] "}
    latest=${latest%%: *}
    case $latest in *[!0-9/]* | /* | */ | */*/*) ;; *) counts=$latest ;; esac
}

tell_crate() {
    if [ "$drawings" = always ]; then
        printf '%s\n' "$line"
    elif [ -z "$counts" ]; then
        printf '%s\n' "$said"
    elif [ "$((${counts%/*} * 10 / ${counts#*/}))" != "$tenth" ]; then
        tenth=$((${counts%/*} * 10 / ${counts#*/}))
        printf '%s, %s of %s crates are built\n' "$said" "${counts%/*}" "${counts#*/}"
    fi
}

build "$@" | tell >&2
