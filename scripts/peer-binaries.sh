#!/usr/bin/env bash
# Makes target/peer: the functions with another consumer, the one in Node.js
# without aggregation that the benchmarks measure beside ours.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "bench: node is missing; install Node.js 20 or newer" >&2; exit 1; }
scripts/install-stack-tools.sh
mkdir -p target/peer
for service in $(scripts/lambda-services.sh); do ln -sf "../release/$service" "target/peer/$service"; done
# A function's process has no PATH.
rm target/peer/usage-consumer
printf '#!/bin/sh\nexec %q %q\n' "$(command -v node)" "$PWD/loadtest/peers/baseline-consumer.mjs" > target/peer/usage-consumer
chmod +x target/peer/usage-consumer
