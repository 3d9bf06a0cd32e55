#!/usr/bin/env bash
# Runs files of tests, which are compiled already, one after another. Prints the output of each at once
# when it has ended.
#
#   scripts/test-files.sh --test=NAME...
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
for file; do
    step "${file#--test=}" cargo test --workspace --locked --no-fail-fast "$file" >"$output" 2>&1 || status=1
    # Another instance may print at the same time.
    flock "$0" cat "$output"
done
exit "$status"
