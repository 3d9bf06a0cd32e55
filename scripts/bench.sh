#!/usr/bin/env bash
# Runs every benchmark together with its peer, and prints a Markdown table of the
# results. It takes about half an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p target/bench
scripts/bench-consumer.sh | tee target/bench/consumer.txt
scripts/bench-authorizer.sh
scripts/cold-start.sh
scripts/bench-end-to-end.sh "$@"
node scripts/bench-table.mjs
