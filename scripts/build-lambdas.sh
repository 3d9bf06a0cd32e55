#!/usr/bin/env bash
# Builds the functions for provided.al2023 as target/lambda/SERVICE/bootstrap,
# and writes their architecture to target/lambda/architecture.
#
#   scripts/build-lambdas.sh [arm64|x86_64]
#
# The default is arm64, which costs a fifth less, if its Rust target is installed,
# else x86_64. If this machine cannot link for provided.al2023 (because of another
# architecture, or a C library newer than 2.34), zig from PyPI links instead.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo_zigbuild_version=0.24.1
# The last version whose clang compiles libdeflate for x86_64; later versions refuse its AVX-512.
ziglang_version=0.12.1
glibc_of_al2023=2.34

fail() { echo "build-lambdas: $*" >&2; exit 1; }
machine=$(uname -m)
[ "$machine" = arm64 ] && machine=aarch64
installed=" $(rustup target list --installed 2>/dev/null | tr '\n' ' ') $(rustc -vV | sed -n 's/^host: //p') "
default=x86_64
[[ $installed == *" aarch64-unknown-linux-gnu "* ]] && default=arm64
architecture=${1:-$default}
case $architecture in
    arm64) processor=aarch64 ;;
    x86_64) processor=x86_64 ;;
    *) fail "the architecture $architecture is neither arm64 nor x86_64" ;;
esac
target=$processor-unknown-linux-gnu
[[ $installed == *" $target "* ]] || fail "Rust cannot build for $target here; run: rustup target add $target"

glibc_here=$(ldd --version 2>/dev/null | sed -n '1s/.* //p')
RUSTFLAGS=$(scripts/lambda-rustflags.sh "$processor")
export RUSTFLAGS
folder=target/release
if [ "$processor" = "$machine" ] && [ "$(uname -s)" = Linux ]; then
    cargo build --release --locked -p functions
    scripts/stage-lambdas.sh "$folder" "$architecture" 2>/dev/null && exit 0
    echo "the C library of this machine (version ${glibc_here:-unknown}) is too new; building again with zig"
fi
command -v python3 >/dev/null || fail "python3 is missing; install Python 3 with its module venv"
[ -x target/zig/bin/pip ] || python3 -m venv target/zig
target/zig/bin/pip install --quiet --disable-pip-version-check "cargo-zigbuild==$cargo_zigbuild_version" "ziglang==$ziglang_version"
PATH=$PWD/target/zig/bin:$PATH cargo zigbuild --release --locked --target "$target.$glibc_of_al2023" -p functions
scripts/stage-lambdas.sh "target/$target/release" "$architecture"
