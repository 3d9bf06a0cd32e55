#!/usr/bin/env bash
# Lays binaries of the functions out as the stack deploys them, each as
# target/lambda/SERVICE/bootstrap, and checks that they run on provided.al2023,
# which has glibc 2.34.   scripts/stage-lambdas.sh [FOLDER [ARCHITECTURE]]
set -euo pipefail
cd "$(dirname "$0")/.."
glibc_of_al2023=2.34
folder=${1:-target/release}
machine=$(uname -m)
[ "$machine" = aarch64 ] && machine=arm64
architecture=${2:-$machine}
for service in $(scripts/lambda-services.sh); do
    binary=$folder/$service
    [ -f "$binary" ] || { echo "stage: $binary is missing; build it with scripts/build-lambdas.sh" >&2; exit 1; }
    needed=$(grep -aoE 'GLIBC_[0-9]+\.[0-9]+' "$binary" | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
    if [ "$(printf '%s\n' "$needed" "$glibc_of_al2023" | sort -V | tail -n 1)" != "$glibc_of_al2023" ]; then
        echo "stage: $service needs glibc $needed, provided.al2023 has $glibc_of_al2023; build it with scripts/build-lambdas.sh" >&2
        exit 1
    fi
    mkdir -p "target/lambda/$service"
    cp "$binary" "target/lambda/$service/bootstrap"
done
echo "$architecture" > target/lambda/architecture
