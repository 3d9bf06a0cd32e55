#!/usr/bin/env bash
# Builds the functions of the last commit twice, in folders of different names, and compares the binaries. It takes as
# long as two builds, so the tests do not run it.
#
#   scripts/compare-builds.sh
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
commit=$(git rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR
for name in one another-folder; do
    git clone --quiet "$root" "$work/$name"
    git -C "$work/$name" checkout --quiet --detach "$commit"
    "$work/$name/scripts/build-lambdas.sh"
    (cd "$work/$name/target/lambda" && sha256sum -- */bootstrap architecture) > "$work/$name.sums"
    rm -rf "${work:?}/$name"
done
if ! diff "$work/one.sums" "$work/another-folder.sums"; then
    echo "compare-builds: the files above differ (< first build, > second build)" >&2
    exit 1
fi
echo "Both builds made the same files:"
cat "$work/one.sums"
