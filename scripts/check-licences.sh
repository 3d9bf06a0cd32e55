#!/usr/bin/env bash
# Checks licences, sources and known vulnerabilities of the dependencies. If
# cargo-deny is not installed, builds it once into target/tools-bin.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/cargo-tool.sh
cargo_tool cargo-deny 0.20.2
cargo deny --log-level error check bans licenses sources
if cargo deny --log-level off fetch db 2>/dev/null; then
    cargo deny --log-level error check advisories
else
    echo "advisories: not checked, because the advisory database cannot be reached"
fi
