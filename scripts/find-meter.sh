#!/usr/bin/env bash
# Prints the path of the command `meter`: $METER, or a build of this work tree.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${METER:-}" ]; then
    command -v cargo >/dev/null || { echo "cargo is missing; install Rust from https://rustup.rs, or set METER to the command meter" >&2; exit 2; }
    scripts/build-local.sh meter >&2
    METER=$PWD/target/debug/meter
fi
echo "$METER"
