#!/usr/bin/env bash
# Builds what is measured into target/release: the functions as they are
# deployed, and the packages that are named, such as loadtest.
#
#   scripts/build-release.sh [PACKAGE...]
#
# The functions are built by themselves, so that they have only their own features.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS=$(scripts/lambda-rustflags.sh)
export RUSTFLAGS
cargo build --release --locked -p functions
[ $# -eq 0 ] || cargo build --release --locked "${@/#/--package=}"
