#!/usr/bin/env bash
# Measures the consumer's path from a Lambda event to the update plan, and
# Node.js doing the same work on the same event in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "bench: node is missing; install Node.js 20 or newer" >&2; exit 1; }

RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
node_rounds=45
results=target/criterion/consumer_path
peer=crates/usage-consumer/benches/consumer_path.mjs
rate_of_node() { node "$peer" target/bench/event.json "$node_rounds"; }

# Node.js runs before and after, so that a change of the machine's load is visible.
cargo bench --locked --quiet -p usage-consumer --bench consumer_path -- event_bytes --warm-up-time 1 --measurement-time 1 >/dev/null
before=$(rate_of_node)
cargo bench --locked --quiet -p usage-consumer --bench consumer_path -- --warm-up-time 2 --measurement-time 5 >/dev/null
after=$(rate_of_node)

node scripts/bench-consumer-table.mjs "$results" "$before" "$after"
