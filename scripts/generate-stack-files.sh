#!/usr/bin/env bash
# Writes what the stack has to know of the program (the access-log format, the
# subscription filter, the metrics of the functions), what the program has to
# know of the stack (its dashboard), the tables of documents that come from the
# stack, and the document of the local services.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --workspace --locked --example stack_file --example local_services
target/debug/examples/local_services > docs/LOCAL_SERVICES.md
for file in access-log.json metrics.json; do
    target/debug/examples/stack_file "$file" > "stack/lib/$file"
done
scripts/install-stack-tools.sh
(cd stack && npx tsx test/dashboard-file.ts) > target/dashboard.json
mv target/dashboard.json crates/local-stack/src/dashboard/dashboard.json
(cd stack && npx tsx test/doc-tables.ts)
