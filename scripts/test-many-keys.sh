#!/usr/bin/env bash
# The reconciler on an hour in which half a million keys differ, or as many as are
# named, under the memory and time that it is deployed with. It takes some minutes.
#
#   scripts/test-many-keys.sh [KEYS]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build-local.sh
METER_TEST_KEYS=${1:-500000} cargo test --locked -p end-to-end --test many_keys -- --nocapture
