#!/usr/bin/env bash
# Measures the authorizer's decision in process: time, allocations, what the
# time tells of a guess, and how often a key is remembered.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
# The lines that begin with a brace are the metrics, which belong to the work.
cargo bench --locked --quiet -p api-authorizer --bench decision | grep -v '^{'
