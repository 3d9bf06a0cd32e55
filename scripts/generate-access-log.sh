#!/usr/bin/env bash
# Writes the access-log format and the filter where the stack reads them.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo run --locked --quiet -p access-log --example log_format > stack/lib/access-log.json
