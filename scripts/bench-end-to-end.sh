#!/usr/bin/env bash
# Measures the whole system on this machine, and the same system with a consumer
# without aggregation: the writes for a million calls, and the highest rate of
# calls. Each rate is tried with a fresh stack.
#
#   scripts/bench-end-to-end.sh [STEP_S]     seconds for which each rate is tried (default 20)
set -euo pipefail
cd "$(dirname "$0")/.."
step_s=${1:-20}
scripts/build-release.sh loadtest
scripts/peer-binaries.sh
results=target/bench/end-to-end
rm -rf "$results"
for consumer in ours peer; do
    binaries=target/release
    [ "$consumer" = ours ] || binaries=target/peer
    echo "== $consumer: consumption"
    target/release/loadtest run --quiet --profile loadtest/profiles/bench.toml --binaries "$binaries" --output "$results/$consumer" ||
        echo "(an objective was missed; the measured consumption is still valid)"
    echo "== $consumer: the highest rate"
    target/release/loadtest find-rate --profile loadtest/profiles/capacity.toml --binaries "$binaries" --from 1000 \
        --step-s "$step_s" --confirm-s "$((2 * step_s))" --precision-percent 8 --output "$results/$consumer-rate"
done
