#!/usr/bin/env bash
# Changes the code in one place at a time with cargo-mutants, and checks that the tests of the
# changed crate fail.
#
#   scripts/mutation.sh [CRATE|FILE]...          changes these crates and source files (default: CRATES)
#   scripts/mutation.sh --left [CRATE|FILE]...   makes only the changes that no test has caught yet
#   scripts/mutation.sh --table                  writes the kept results into docs/MUTANTS.md
#
# Works on a copy of the tracked files, including uncommitted changes, in target/mutation/tree, with
# a target folder of its own. The results of each mutant are kept in target/mutation/results.json,
# so that a long run can be made file by file. If cargo-mutants is not installed, builds it once
# into target/tools-bin.
#
# Exits with 1 if a mutant survives that scripts/mutation/equivalent.json does not list, if it lists
# one that does not exist or that a test catches, or if the tests fail without a change.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
. scripts/doc-section.sh
. scripts/cargo-tool.sh
. scripts/mutant-tree.sh
version=27.1.0
crates=(metering-core access-log usage-consumer api-authorizer)
folder=$PWD/target/mutation
tree=$folder/tree

fail() { echo "mutation: $*" >&2; exit 1; }
mutants() { (cd "$1" && cargo mutants --colors=never "${@:2}"); }
results() { node scripts/mutation-results.mjs "$@"; }

# list_mutants   writes all mutants of the present sources to target/mutation/mutants.json.
list_mutants() {
    local crate packages=()
    for crate in "${crates[@]}"; do packages+=(--package "$crate"); done
    mkdir -p "$folder"
    mutants . --list --json "${packages[@]}" > "$folder/mutants.json"
}

# run CRATE [FILE...]   tests the mutants of a crate or of its files. proptest generates the same
# cases each time, and does not keep failing cases of one mutant for the next.
run() {
    local status=0 file pattern patterns options=(--in-place --no-times --package "$1" --output "$folder")
    for file in "${@:2}"; do options+=(--file "$file"); done
    if $is_left; then
        mapfile -t patterns < <(results left "${@:$#}")
        [ ${#patterns[@]} -gt 0 ] || return 0
        for pattern in "${patterns[@]}"; do options+=(--re "$pattern"); done
    fi
    (
        export CARGO_TARGET_DIR=$folder/target PROPTEST_RNG_SEED=1 PROPTEST_DISABLE_FAILURE_PERSISTENCE=1
        mutants "$tree" "${options[@]}"
    ) || status=$?
    results record "$tree" "$folder/mutants.out"
    # 2: a mutant survived; 3: a mutant exceeded the time limit.
    case $status in 0 | 2 | 3) ;; *) fail "cargo-mutants ended with $status; see target/mutation/mutants.out" ;; esac
}

need cargo "install Rust from https://rustup.rs"
need node "install Node.js"
cargo_tool cargo-mutants "$version"

if [ "${1:-}" = --table ]; then
    [ $# -eq 1 ] || fail "--table takes no names, because it has all files"
    list_mutants
    results table "$version" | write_section docs/MUTANTS.md "mutants of cargo-mutants"
    exit
fi
is_left=false
[ "${1:-}" != --left ] || { is_left=true; shift; }
[ $# -gt 0 ] || set -- "${crates[@]}"
for name; do
    [ -d "crates/$name" ] || [[ -f $name && $name == crates/*/src/*.rs ]] ||
        fail "$name is neither a crate nor a source file of one, such as crates/metering-core/src/fence.rs"
done

copy_tree "$tree"
list_mutants
for name; do
    if [ -d "crates/$name" ]; then
        run "$name"
    else
        crate=${name#crates/}
        run "${crate%%/*}" "$name"
    fi
done
results check "$@"
