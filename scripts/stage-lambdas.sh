#!/usr/bin/env bash
# Copies the functions' binaries to the folders that the stack deploys.
#
#   scripts/stage-lambdas.sh FOLDER ARCHITECTURE   from FOLDER to target/lambda, for AWS; each has to run
#                                                  on provided.al2023, which has glibc 2.34
#   scripts/stage-lambdas.sh --local               from target/debug (scripts/build-local.sh) to
#                                                  target/lambda-local, without symbols, for an emulator
set -euo pipefail
cd "$(dirname "$0")/.."
glibc_of_al2023=2.34
[ $# -ge 1 ] || { sed -n '4,7s/^# *//p' "$0" >&2; exit 2; }
folder=$1 architecture=${2:-} staged=target/lambda builder=scripts/build-lambdas.sh
if [ "$1" = --local ]; then
    folder=target/debug staged=target/lambda-local builder=scripts/build-local.sh
    architecture=$(uname -m)
    [ "$architecture" = aarch64 ] && architecture=arm64
fi
fail() { echo "stage-lambdas: $*; build it with $builder" >&2; exit 1; }
for service in $(scripts/lambda-services.sh); do
    binary=$folder/$service
    [ -f "$binary" ] || fail "$binary is missing"
    mkdir -p "$staged/$service"
    if [ "$1" = --local ]; then
        strip -o "$staged/$service/bootstrap" "$binary"
        continue
    fi
    needed=$(grep -aoE 'GLIBC_[0-9]+\.[0-9]+' "$binary" | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
    if [ "$(printf '%s\n' "$needed" "$glibc_of_al2023" | sort -V | tail -n 1)" != "$glibc_of_al2023" ]; then
        fail "$service needs glibc $needed, provided.al2023 has $glibc_of_al2023"
    fi
    cp "$binary" "$staged/$service/bootstrap"
done
echo "$architecture" > "$staged/architecture"
