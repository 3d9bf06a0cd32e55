#!/usr/bin/env bash
# Prints the cold-start time and the memory of the functions on this machine, and
# of a consumer in Node.js with the AWS SDK.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build-release.sh
scripts/peer-binaries.sh
mkdir -p target/bench
RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
cargo build --release --locked -p local-stack --example cold_start
target/release/examples/cold_start target/release target/peer | tee target/bench/cold-start.txt
