#!/usr/bin/env bash
# Prints the cold start and the memory of the usage consumer on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet -p usage-consumer
cargo run --profile tools --locked --quiet -p local-stack --example cold_start -- target/release/usage-consumer
