#!/usr/bin/env bash
# Measures the authorizer's decision in process: time, allocations, timing of
# guessed keys, and cache hit rate. Measures Node.js with the same event in the
# same run.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "bench: node is missing; install Node.js 20 or newer" >&2; exit 1; }
RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
# Lines that begin with a brace are the authorizer's metrics; writing them is part of the measured work.
cargo bench --locked --quiet -p api-authorizer --bench decision | grep -v '^{'
secret=um_kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
node crates/api-authorizer/benches/decision.mjs target/bench/authorizer-event.json "$secret" > target/bench/authorizer-peer.json
echo
echo "Node.js $(node --version), the same event: $(cat target/bench/authorizer-peer.json)"
