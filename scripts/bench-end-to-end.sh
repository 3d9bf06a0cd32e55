#!/usr/bin/env bash
# Measures the whole system on this machine, and beside it the same system with
# the consumer that has no aggregation: what is written for a million calls, and
# the highest rate of calls. Each rate is tried with a fresh stack.
#
#   scripts/bench-end-to-end.sh [STEP_S]     how long each rate is tried; 20 where it is not said
set -euo pipefail
cd "$(dirname "$0")/.."
step_s=${1:-20}
scripts/build-release.sh loadtest
scripts/peer-binaries.sh
results=target/bench/end-to-end
rm -rf "$results"
for who in ours peer; do
    binaries=target/release
    [ "$who" = ours ] || binaries=target/peer
    echo "== $who: consumption"
    target/release/loadtest run --quiet --profile loadtest/profiles/bench.toml --binaries "$binaries" --output "$results/$who" ||
        echo "(an objective was missed; what was consumed is measured all the same)"
    echo "== $who: the highest rate"
    target/release/loadtest find-rate --profile loadtest/profiles/capacity.toml --binaries "$binaries" --from 1000 \
        --step-s "$step_s" --confirm-s "$((2 * step_s))" --precision-percent 8 --output "$results/$who-rate"
done
