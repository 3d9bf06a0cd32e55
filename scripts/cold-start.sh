#!/usr/bin/env bash
# Prints the cold start and the memory of the functions on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build-local.sh
cargo run --profile tools --locked --quiet -p local-stack --example cold_start -- target/release
