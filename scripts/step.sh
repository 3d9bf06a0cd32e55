# shellcheck shell=bash
# Sourced by other scripts.   step NAME COMMAND...   runs the command and prints its duration.
step() {
    local name=$1 started=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    if [ "$status" -eq 0 ]; then
        echo "== $name: $((SECONDS - started)) s"
    else
        echo "== $name: failed after $((SECONDS - started)) s" >&2
    fi
    return "$status"
}

# need COMMAND HINT   exits with an error if the command is missing.
need() { command -v "$1" >/dev/null || { echo "$(basename "$0" .sh): $1 is missing; $2" >&2; exit 1; }; }
