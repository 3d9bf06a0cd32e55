#!/usr/bin/env bash
# Builds the documentation site into target/site with mdBook, and checks every link
# of its pages but those to other sites, which it lists in target/site-external-links.txt.
# If mdBook or hyperlink is not installed, builds it once into target/tools-bin.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cargo-tool.sh
cargo_tool mdbook 0.5.4 --no-default-features --features search
cargo_tool hyperlink 0.3.2
scripts/install-stack-tools.sh
(cd stack && npx tsx site/write.ts ../target/site-source)
mdbook build stack/site
hyperlink --check-anchors target/site
hyperlink dump-external-links --base-path target/site | sed -n "/^https\?:/p" > target/site-external-links.txt
