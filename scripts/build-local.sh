#!/usr/bin/env bash
# Builds what runs on one machine: the six functions, `meter` and `loadtest`, into target/debug.
#
#   scripts/build-local.sh [BINARY...]     all of them where none is named
#
# The tests' dependencies have the same features, so that neither compiles
# again what the other has compiled: naming an example has Cargo count the
# dependencies of tests in, and that example is one that a test starts.
set -euo pipefail
cd "$(dirname "$0")/.."
what=("${@/#/--bin=}")
[ $# -gt 0 ] || what=(--bins)
exec cargo build --workspace --locked --example picky_function "${what[@]}"
