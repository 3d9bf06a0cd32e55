#!/usr/bin/env bash
# The compiler of scripts/fuzz.sh: adds the coverage that libFuzzer reads. Cargo uses it for the crates
# of this workspace alone, so the dependencies are those of every other build.
set -euo pipefail
exec "$@" -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
