#!/usr/bin/env bash
# Removes one rule of counting or of admission at a time, and checks that the
# simulation finds it.
#
#   scripts/simulate-mutants.sh [NAME...]   only these patches (default: those of each rule)
#   scripts/simulate-mutants.sh --table     all rules, and writes their table in docs/MUTANTS.md
#
# A patch is in scripts/mutants, or in scripts/mutants/simulated if only the simulation
# can judge it. Works on a copy of the tracked files, including uncommitted changes, in
# target/simulated, with a separate target folder. Exits with 1 if the simulation finds
# no failure within the limit, or if a patch does not apply or compile.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/doc-section.sh
. scripts/mutant-tree.sh
limit_seeds=200000
tree=target/simulated/tree
log=target/simulated/log
rules=(
    fence-open replan-skipped plan-drops-first plan-swaps-call ledger-error-swallowed
    page-unlocked claim-ignored claims-nothing claim-error-ignored quarantine-dropped counts-past-failure
    verdicts-of-head-missed class-copy-old class-of-the-arrival customer-ignored old-calls-counted
    progress-before-commit progress-without-parents sync-endless tombstone-ignored index-at-once
    expiry-ignored overlap-ignored
    quota-gt usage-near-limit-old usage-of-last-month usage-settled-today usage-age-least
    layout-of-last-call
)

fail() { echo "simulate-mutants: $*" >&2; exit 1; }
simulate() {
    (cd "$tree" && CARGO_TARGET_DIR=../target cargo run --release --locked -q -p metering-sim -- --seeds "$1" --as-found) \
        > "$log" 2>&1 < /dev/null
}

need cargo "install Rust from https://rustup.rs"
table=
[ "${1:-}" != --table ] || { table=yes; shift; }
[ $# -gt 0 ] || set -- "${rules[@]}"

copy_tree "$tree"
simulate 1000 || { cat "$log"; fail "the simulation fails without a mutant"; }

rows='' missed=0
for name; do
    patch=scripts/mutants/$name.patch
    [ -f "$patch" ] || patch=scripts/mutants/simulated/$name.patch
    git apply --directory="$tree" "$patch" || fail "$patch does not apply"
    seeds='not found' problem=''
    if simulate "$limit_seeds"; then
        missed=$((missed + 1))
    elif problem=$(sed -n 's/^seed [0-9]*: //p' "$log") && [ -n "$problem" ]; then
        seeds=$(sed -n 's/^\([0-9]*\) seeds,.*/\1/p' "$log")
    else
        cat "$log"
        fail "the simulation of $name ends without a result"
    fi
    git apply --reverse --directory="$tree" "$patch"
    printf '%-20s %-10s %s\n' "$name" "$seeds" "$problem"
    rows+="| \`$name\` | $(words_of "$patch") | $seeds |"$'\n'
done

[ "$missed" -eq 0 ] || fail "$missed of $# are not found within $limit_seeds seeds"
[ -z "$table" ] || write_section docs/MUTANTS.md "mutants of the simulation" <<TABLE
| mutant | removed rule | seeds until the first failure |
| --- | --- | ---: |
${rows%$'\n'}
TABLE
