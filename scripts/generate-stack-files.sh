#!/usr/bin/env bash
# Writes what the stack has to know of the program (the access-log format, the
# subscription filter, the metrics of the functions), and what the program has
# to know of the stack (its dashboard), and the tables of documents that come from the stack.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --workspace --locked --example stack_file
for file in access-log.json metrics.json; do
    target/debug/examples/stack_file "$file" > "stack/lib/$file"
done
scripts/install-stack-tools.sh
(cd stack && npx tsx test/dashboard-file.ts) > target/dashboard.json
mv target/dashboard.json crates/local-stack/src/dashboard/dashboard.json
(cd stack && npx tsx test/doc-tables.ts)
