#!/usr/bin/env bash
# Builds the binaries that run on one machine into target/debug: the functions,
# `meter` and `loadtest`.
#
#   scripts/build-local.sh [BINARY...]     only these (default: all)
#
# Naming an example makes Cargo include the dependencies of tests, so that tests
# and binaries have the same features and share their compiled dependencies. The
# example is one that a test starts.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=("${@/#/--bin=}")
[ $# -gt 0 ] || targets=(--bins)
exec cargo build --workspace --locked --example picky_function "${targets[@]}"
