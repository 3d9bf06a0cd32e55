#!/usr/bin/env bash
# Writes what the stack has to know of the program: the access-log format, the
# subscription filter and the metrics of the functions.
set -euo pipefail
cd "$(dirname "$0")/.."
for file in access-log.json metrics.json; do
    cargo run --locked --quiet -p local-stack --example stack_file -- "$file" > "stack/lib/$file"
done
