#!/usr/bin/env bash
# Runs the reconciler on an hour in which KEYS keys differ (default: half a million),
# with its deployed memory and time limits, reads the usage of KEYS keys, and
# requests what the web pages show of them. It takes some minutes.
#
#   scripts/test-many-keys.sh [KEYS]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build-local.sh
METER_TEST_KEYS=${1:-500000} cargo test --workspace --locked --test many_keys -- --nocapture --test-threads 1
