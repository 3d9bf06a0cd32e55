#!/usr/bin/env bash
# Checks to run after each change: format, shell scripts, mutants that apply, format, lints and
# types of the stack, lints, the functions as a deployment builds them, and the tests that need only
# their own crate. scripts/test.sh runs these and all others.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/debian-package.sh

need cargo "install Rust from https://rustup.rs"
need cc "install a C compiler (Debian: apt-get install build-essential)"
need npm "install npm, which comes with Node.js"

stack() { scripts/install-stack-tools.sh && (cd stack && npm run --silent format && npm run --silent lint && npx tsc --noEmit); }

mutants() {
    local patch
    for patch in scripts/mutants/*.patch; do
        git apply --check "$patch" || { echo "$patch does not apply; write the same bug into the new code" >&2; return 1; }
    done
}

shell_scripts() { debian_package shellcheck shellcheck && shellcheck --external-sources --severity warning scripts/*.sh .ci/run; }

step "format" cargo fmt --all --check
step "shell scripts" shell_scripts
step "mutants apply" mutants
step "format, lints and types of the stack" stack
step "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
# Other crates of the workspace enable features of dependencies that a deployment is built without.
step "functions alone" cargo check --package functions --locked
step "unit tests" cargo test --locked --no-fail-fast
