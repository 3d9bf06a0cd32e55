#!/usr/bin/env bash
# Writes the software bills of materials of what a release links, in CycloneDX's
# JSON: functions.cdx.json, meter-cli.cdx.json and loadtest.cdx.json.
#
#   scripts/bill-of-materials.sh FOLDER
#
# If cargo-cyclonedx is not installed, builds it once into target/tools-bin. It writes
# a file beside each Cargo.toml, so it works on a copy of the tracked files.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '5s/^# *//p' "$0" >&2; exit 2; }
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
. scripts/cargo-tool.sh
. scripts/mutant-tree.sh
cargo_tool cargo-cyclonedx 0.5.9
tree=target/bill-of-materials
copy_tree "$tree"
# The same files each time, whenever and wherever they are written.
export SOURCE_DATE_EPOCH=315532800
(cd "$tree" && cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target "$(rustc -vV | sed -n 's/^host: //p')" --override-filename bom)
for package in crates/functions crates/meter-cli loadtest; do
    sed "s#path+file://$PWD/$tree#path+file:///usage-meter#g" "$tree/$package/bom.json" > "$folder/${package##*/}.cdx.json"
done
