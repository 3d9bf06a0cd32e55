# Starts and stops a `meter local` with a new data folder. Sourced by other scripts.
# shellcheck shell=bash

# start_local_stack FOLDER [OPTION]...   starts it with the binaries of a folder, and sets the environment variables
# that it prints.
start_local_stack() {
    local_stack_data=$(mktemp -d)
    local_stack_guide=$local_stack_data/guide.txt
    : > "$local_stack_guide"
    # The caller's AWS account and region must not affect it.
    unset AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_SESSION_TOKEN
    "$1/meter" local --data "$local_stack_data/data" "${@:2}" > "$local_stack_guide" 2> "$local_stack_data/errors.txt" &
    local_stack_process=$!
    trap stop_local_stack EXIT
    until grep -q "Stop it with" "$local_stack_guide"; do
        kill -0 "$local_stack_process" 2>/dev/null || { cat "$local_stack_data/errors.txt" >&2; return 1; }
        sleep 0.2
    done
    # Only the lines that users are meant to copy.
    eval "$(grep -E '^ +export ' "$local_stack_guide")"
}

stop_local_stack() {
    trap - EXIT
    kill -INT "$local_stack_process" 2>/dev/null || true
    wait "$local_stack_process" || true
    rm -rf "$local_stack_data"
}
