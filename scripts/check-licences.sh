#!/usr/bin/env bash
# Checks licences, sources and known vulnerabilities of the dependencies. If
# cargo-deny is not installed, builds it once into target/tools-bin.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
PATH=$PWD/target/tools-bin/bin:$PATH
if ! cargo deny --version 2>/dev/null | grep -qx "cargo-deny $version"; then
    # Without optimisation and debug information, because building it takes longer than running it.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --locked --debug --version "$version" --root target/tools-bin
fi
cargo deny --log-level error check bans licenses sources
if cargo deny --log-level off fetch db 2>/dev/null; then
    cargo deny --log-level error check advisories
else
    echo "advisories: not checked, because the advisory database cannot be reached"
fi
