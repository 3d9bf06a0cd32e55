#!/usr/bin/env bash
# Prints the compiler flags for Lambda binaries. Every x86-64 Lambda has AVX2
# (AWS Lambda Developer Guide, "Using AVX2 vectorization in Lambda"), with which
# access-log lines are read a tenth faster. A machine that builds the binaries and
# runs them locally may not have it. The folders of this machine do not get into the
# binaries, so that another machine builds the same ones.
#
#   scripts/lambda-rustflags.sh [PROCESSOR]
set -euo pipefail
cd "$(dirname "$0")/.."
flags=("--remap-path-prefix=$PWD=/usage-meter" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
if [ "${1:-$(uname -m)}" = x86_64 ] && grep -qw avx2 /proc/cpuinfo 2>/dev/null; then
    flags+=("-C" "target-cpu=x86-64-v3")
fi
echo "${flags[*]}"
