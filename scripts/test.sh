#!/usr/bin/env bash
# Runs every check of this project: scripts/check.sh, the simulation, the model
# checker, the end-to-end tests, the stack with its deployment and runbooks, the
# demo, licences. Stops early only if scripts/check.sh or a build fails. The last
# line has the number of passed and failed tests.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/debian-package.sh

need cargo "install Rust from https://rustup.rs"
scripts/check-node.sh
need npm "install npm, which comes with Node.js"
need python3 "install Python 3 with its module venv (Debian: apt-get install python3-venv)"
need curl "install curl (Debian: apt-get install curl)"
need cc "install a C compiler (Debian: apt-get install build-essential)"
debian_package faketime faketime

# What is compiled once needs no incremental data, which takes as much disk space as the rest.
[ -d "${CARGO_TARGET_DIR:-target}" ] || export CARGO_INCREMENTAL=0

log=$(mktemp)
count() { awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) sum += $(i - 1) } END { print sum + 0 }' "$log"; }
failed_steps=()
finish() {
    echo
    [ "${#failed_steps[@]}" -eq 0 ] || printf 'failed: %s\n' "${failed_steps[@]}"
    echo "$(count passed) passed, $(count failed) failed"
    rm -f "$log"
}
trap finish EXIT
# Runs a step, and goes on if it fails.   go_on NAME COMMAND...
go_on() { step "$@" || failed_steps+=("$1"); }
logged() { "$@" 2>&1 | tee -a "$log"; }

# Prints options that name the tests of a crate. Naming the crate itself would make
# Cargo compile dependencies again, with the features of that crate alone.
tests_of() { for file in "crates/$1"/tests/*.rs; do echo "--test=$(basename "$file" .rs)"; done; }
rust_tests() {
    local tests
    read -ra tests < <(tests_of "$1" | tr '\n' ' ')
    logged cargo test --workspace --locked --no-fail-fast "${tests[@]}"
}
# Runs the files of the end-to-end tests. Those that load the machine run one after another, beside the
# others, which wait for most of their time. loadtest_chaos is the last and runs alone: its stack has to
# get its ports again after a crash.
loading_tests=(exactly_once invalidation hostile_volume many_keys loadtest_detects_faults loadtest_runs)
last_test=--test=loadtest_chaos
end_to_end() {
    local tests status=0
    mapfile -t tests < <(tests_of end-to-end)
    logged cargo test --workspace --locked --no-run "${tests[@]}" || return
    {
        echo "${loading_tests[@]/#/--test=}"
        printf '%s\n' "${tests[@]}" | grep -vxF -e "$last_test" -e "$(printf -- '--test=%s\n' "${loading_tests[@]}")"
    } | logged xargs -P 2 -L 1 scripts/test-files.sh || status=1
    logged scripts/test-files.sh "$last_test" || status=1
    return "$status"
}
stack() {
    local status=0
    scripts/test-stack.sh || status=1
    cat target/stack-tests.txt >> "$log" || echo "test result: FAILED. 0 passed; 1 failed; stack" >> "$log"
    return "$status"
}
# Runs a command, and counts it as one test.   as_test COMMAND...
as_test() {
    local result="ok. 1 passed; 0 failed" status=0
    "$@" || { result="FAILED. 0 passed; 1 failed"; status=1; }
    echo "test result: $result; ${1##*/}" >> "$log"
    return "$status"
}

step "check" logged scripts/check.sh
step "binaries for the tests" scripts/build-local.sh
go_on "simulation" as_test target/debug/metering-sim --seeds 2000
go_on "model checker" rust_tests metering-models
go_on "end-to-end tests" end_to_end
go_on "stack" stack
go_on "AWS CLI and boto3" as_test scripts/test-clients.sh
go_on "moto's tests of Kinesis" logged scripts/kinesis-conformance.sh
go_on "demo" as_test scripts/demo.sh 5000
go_on "licences and sources" scripts/check-licences.sh
[ "${#failed_steps[@]}" -eq 0 ]
