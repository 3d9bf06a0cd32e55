#!/usr/bin/env bash
# Builds the functions, as deployed, and the named packages into target/release,
# for measurements.
#
#   scripts/build-release.sh [PACKAGE...]
#
# The functions are built separately, so that they have only their own features.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
cargo build --release --locked -p functions
[ $# -eq 0 ] || cargo build --release --locked "${@/#/--package=}"
