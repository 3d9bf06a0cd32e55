#!/usr/bin/env bash
# Builds the functions of the last commit twice, in two new folders of different names, and
# compares them byte for byte. Exits with 1 if they differ.
#
#   scripts/compare-builds.sh [arm64|x86_64]     the architecture is that of scripts/build-lambdas.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
builds=("$folder/first" "$folder/second-with-a-longer-name")
for build in "${builds[@]}"; do
    git clone --quiet . "$build"
    (unset CARGO_TARGET_DIR && step "$(basename "$build")" "$build/scripts/build-lambdas.sh" "$@")
done
status=0
for function in "${builds[0]}"/target/lambda/*/; do
    name=$(basename "$function")
    files=("${builds[@]/%//target/lambda/$name/bootstrap}")
    if cmp "${files[@]}"; then
        echo "$name: $(sha256sum "${files[0]}" | cut -d ' ' -f 1)"
    else
        status=1
    fi
done
[ "$status" -eq 0 ] && echo "Both builds are the same."
exit "$status"
