#!/usr/bin/env bash
# Every benchmark, each beside its peer in the same run, and at the end a table
# in Markdown. It takes about half an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p target/bench
scripts/bench-consumer.sh | tee target/bench/consumer.txt
scripts/bench-authorizer.sh
scripts/cold-start.sh
scripts/bench-end-to-end.sh "$@"
node scripts/bench-table.mjs
