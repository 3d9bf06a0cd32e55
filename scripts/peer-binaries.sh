#!/usr/bin/env bash
# Creates target/peer: the functions with another consumer, in Node.js and without
# aggregation, for comparison in benchmarks.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "bench: node is missing; install Node.js 20 or newer" >&2; exit 1; }
scripts/install-stack-tools.sh
mkdir -p target/peer
for service in $(scripts/lambda-services.sh); do ln -sf "../release/$service" "target/peer/$service"; done
# The process of a function has no PATH, so the script has the full path of node.
rm target/peer/usage-consumer
printf '#!/bin/sh\nexec %q %q\n' "$(command -v node)" "$PWD/loadtest/peers/baseline-consumer.mjs" > target/peer/usage-consumer
chmod +x target/peer/usage-consumer
