#!/usr/bin/env bash
# Runs one file of tests, which is compiled already, and prints its output at once when it has ended.
#
#   scripts/test-file.sh --test=NAME
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
step "${1#--test=}" cargo test --workspace --locked --no-fail-fast "$1" >"$output" 2>&1 || status=$?
cat "$output"
exit "$status"
