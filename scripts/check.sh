#!/usr/bin/env bash
# What to run after each change: format, shell scripts, whether the mutants apply, format, lints and
# types of the stack, lints, and every test that needs nothing but its own crate.
# scripts/test.sh runs this and the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/debian-package.sh

need cargo "install Rust from https://rustup.rs"
need cc "install a C compiler (Debian: apt-get install build-essential)"
need npm "install Node.js 20 or newer, with npm"

stack() { scripts/install-stack-tools.sh && (cd stack && npm run --silent format && npm run --silent lint && npx tsc --noEmit); }

mutants() {
    local patch
    for patch in scripts/mutants/*.patch; do
        git apply --check "$patch" || { echo "$patch does not apply: fit it to the code" >&2; return 1; }
    done
}

shell_scripts() { debian_package shellcheck shellcheck && shellcheck --external-sources --severity warning scripts/*.sh .ci/run; }

step "format" cargo fmt --all --check
step "shell scripts" shell_scripts
step "mutants apply" mutants
step "format, lints and types of the stack" stack
step "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
step "unit tests" cargo test --locked --no-fail-fast
