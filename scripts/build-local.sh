#!/usr/bin/env bash
# Builds what runs on one machine: the commands `meter` and `loadtest`, and the Lambda binaries.
# The binaries are built apart from them, so that they have only their own features.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS="$(scripts/lambda-rustflags.sh)" cargo build --release --locked -p functions
cargo build --profile tools --locked -p meter-cli -p loadtest
