#!/usr/bin/env bash
# Every check of this project: format, lints, licences, tests, the stack with its
# deployment and runbooks, and the demo.
# Ends with a line that says how many tests passed.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { command -v "$1" >/dev/null || { echo "test: $1 is missing; $2" >&2; exit 1; }; }
need cargo "install Rust from https://rustup.rs"
need node "install Node.js 20 or newer"
need npm "install Node.js 20 or newer, with npm"
need python3 "install Python 3 with its module venv (Debian: apt-get install python3-venv)"
need curl "install curl (Debian: apt-get install curl)"
need cc "install a C compiler (Debian: apt-get install build-essential)"

cargo_deny_version=0.20.2
if ! cargo deny --version 2>/dev/null | grep -q "$cargo_deny_version"; then
    cargo install cargo-deny --locked --quiet --version "$cargo_deny_version"
fi

step() { echo; echo "== $*"; }

step "format"
cargo fmt --all --check
step "lints"
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
step "licences and sources"
cargo deny --log-level error check bans licenses sources
if cargo deny --log-level off fetch db 2>/dev/null; then
    cargo deny --log-level error check advisories
else
    echo "advisories: not checked, the advisory database cannot be reached from here"
fi
step "the release binaries, which the tests run"
scripts/build-local.sh
step "tests"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log" || status=$?
step "stack"
scripts/test-stack.sh || status=1
cat target/stack-tests.txt >> "$log" || echo "test result: FAILED. 0 passed; 1 failed; stack" >> "$log"
step "demo"
if scripts/demo.sh 5000 | tee -a "$log"; then
    echo "test result: ok. 1 passed; 0 failed; scripts/demo.sh" >> "$log"
else
    echo "test result: FAILED. 0 passed; 1 failed; scripts/demo.sh" >> "$log"
    status=1
fi

count() { awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) sum += $(i - 1) } END { print sum + 0 }' "$log"; }
echo
echo "$(count passed) passed, $(count failed) failed"
exit "$status"
