#!/usr/bin/env bash
# Applies one small bug at a time, and checks that the tests of its crate fail.
#
#   scripts/mutants.sh [NAME...]     only scripts/mutants/NAME.patch (default: all)
#   scripts/mutants.sh --table       all of them, and writes their table in docs/MUTANTS.md
#
# Works on a copy of the tracked files, including uncommitted changes, in
# target/mutants, with a separate target folder. A bug is caught if a test fails or
# exceeds the time limit. Exits with 1 if a bug survives, a patch does not apply or
# compile, or the tests fail without a bug.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/doc-section.sh
. scripts/mutant-tree.sh
limit_s=120
tree=target/mutants/tree
log=target/mutants/log

fail() { echo "mutants: $*" >&2; exit 1; }
crate_of() { sed -n '/^+++ /{ s|^+++ b/crates/\([^/]*\)/.*|\1|p; q; }' "$1"; }
apply() { git apply --directory="$tree" "$@"; }

# cargo_test LIMIT_S CRATE [OPTION...]   runs the tests of a crate. proptest generates the same
# cases each time, and does not keep failing cases of one bug for the next.
cargo_test() {
    (
        cd "$tree"
        export CARGO_TARGET_DIR=../target PROPTEST_RNG_SEED=1 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
        timeout "$1" cargo test --locked --no-fail-fast --color never --tests --package "${@:2}"
    ) > "$log" 2>&1 < /dev/null
}

# Prints the first tests that failed or hung, and their number, in Markdown.
failed_tests() {
    sed -nE 's/^test ([^ ]*) .*(FAILED$|has been running for over ).*/\1/p' "$log" | sort -u |
        awk 'NR <= 2 { printf "%s`%s`", (NR > 1 ? ", " : ""), $0 } END { if (NR > 2) printf " and %d more", NR - 2 }'
}

# try CRATE PATCH   tests one bug, and sets verdict and by.
try() {
    local crate=$1 patch=$2 status=0
    by=
    apply "$patch" 2> "$log" || { verdict="does not apply" by=$(head -n 1 "$log"); return; }
    if cargo_test 0 "$crate" --no-run; then
        cargo_test "$limit_s" "$crate" || status=$?
        case $status in
            0) verdict=SURVIVED ;;
            124) verdict=caught by="$(failed_tests), by the time limit" ;;
            *) verdict=caught by=$(failed_tests) ;;
        esac
    else
        verdict="broken patch" by=$(grep -m 1 '^error' "$log" || true)
    fi
    apply --reverse "$patch"
}

need cargo "install Rust from https://rustup.rs"
need timeout "install the GNU core utilities"
table=
if [ "${1:-}" = --table ]; then
    table=yes
    shift
    [ $# -eq 0 ] || fail "--table takes no names, because it runs all patches"
fi
if [ $# -eq 0 ]; then
    patches=(scripts/mutants/*.patch)
    patches=("${patches[@]##*/}")
    set -- "${patches[@]%.patch}"
fi
# Sorted by crate, so that less is compiled again.
list=$(for name; do
    patch=scripts/mutants/$name.patch
    [ -f "$patch" ] || fail "$patch does not exist"
    echo "$(crate_of "$patch") $name"
done | sort)

copy_tree "$tree"

for crate in $(cut -d ' ' -f 1 <<< "$list" | uniq); do
    { cargo_test 0 "$crate" --no-run && cargo_test "$limit_s" "$crate"; } ||
        { cat "$log"; fail "the tests of $crate fail without a bug, or take longer than $limit_s s"; }
done

caught=0 rows=
while read -r crate name; do
    patch=scripts/mutants/$name.patch
    try "$crate" "$patch"
    [ "$verdict" != caught ] || caught=$((caught + 1))
    rows+="| \`$name\` | $(words_of "$patch") | \`$crate\` | $by |"$'\n'
    printf '%-24s %-14s %-14s %s\n' "$name" "$crate" "$verdict" "$by"
done <<< "$list"

echo "$caught of $# caught"
[ "$caught" -eq $# ] || exit 1
[ -z "$table" ] || write_section docs/MUTANTS.md "mutants by hand" <<TABLE
| mutant | bug | crate | caught by |
| --- | --- | --- | --- |
${rows%$'\n'}
TABLE
