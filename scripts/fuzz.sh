#!/usr/bin/env bash
# Fuzzes what comes from outside, with coverage as feedback.
#
#   scripts/fuzz.sh [TARGET] [MINUTES]   one target, or `all` (default), for MINUTES each (default 5)
#   scripts/fuzz.sh --keep TARGET        adds the new inputs that reach new code to the target's corpus
#
# Progress is printed each time that the number of executions has doubled, and the totals at the end.
# New inputs stay in target/fuzz/TARGET, and the next run begins with them. An input that fails is in
# target/fuzz/failures/TARGET-...; the script prints it and exits with 1.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=fuzz
if [ "${1:-}" = --keep ]; then
    mode=keep
    shift
fi
wanted=${1:-all}
minutes=${2:-5}
case $minutes in
    '' | 0 | *[!0-9]*) echo "fuzz: the minutes are a whole number above 0, not $minutes" >&2; exit 2 ;;
esac

# Prints the names of a crate's targets, in their order.   targets CRATE
targets() { sed -n 's/.*Target { name: "\([a-z_]*\)".*/\1/p' "crates/$1/src/lib.rs"; }

# Builds the binary of a crate, which has its name.   build CRATE
build() {
    RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/fuzz-rustc.sh \
        cargo build --quiet --locked --workspace --features "$1/libfuzzer" --bin "$1"
}

# Runs libFuzzer on a target.   fuzz CRATE TARGET
fuzz() {
    local crate=$1 target=$2 found=target/fuzz/$2 log=target/fuzz/$2.log status=0
    mkdir -p "$found" target/fuzz/failures
    FUZZ_TARGET=$target "target/debug/$crate" "$found" "crates/$crate/corpus/$target" \
        -max_total_time=$((minutes * 60)) "-dict=crates/$crate/dictionary.txt" -max_len=16384 \
        -timeout=20 -rss_limit_mb=1024 -reload=0 "-artifact_prefix=target/fuzz/failures/$target-" -print_final_stats=1 2>&1 | tee "$log" |
        { grep --line-buffered -E "INITED|pulse" || true; } || status=$?
    local executions rate coverage
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    echo "$target: ${executions:-?} executions, ${rate:-?} a second, ${coverage:-?} edges," \
        "$(find "$found" -type f | wc -l) new inputs"
    if [ "$status" -ne 0 ]; then
        grep -E "panicked at|^thread|ERROR: libFuzzer|Test unit written to|left:|right:" -A 2 "$log" | head -n 40 >&2
        echo "fuzz: $target failed; see $log" >&2
        failed=1
    fi
}

# Adds the inputs that reach new code to the corpus.   keep CRATE TARGET
keep() {
    local crate=$1 target=$2 corpus=crates/$1/corpus/$2
    FUZZ_TARGET=$target "target/debug/$crate" "$corpus" "target/fuzz/$target" -merge=1 -max_len=4096 \
        2>"target/fuzz/$target.log"
    echo "$target: $(git status --porcelain "$corpus" | wc -l) new entries below $corpus"
}

failed=0
is_known=0
for crate in fuzz-targets fuzz-targets-tools; do
    is_built=0
    for target in $(targets "$crate"); do
        [ "$wanted" = all ] || [ "$wanted" = "$target" ] || continue
        [ "$is_built" -eq 1 ] || build "$crate"
        is_built=1
        is_known=1
        case $mode in
            fuzz) fuzz "$crate" "$target" ;;
            keep) keep "$crate" "$target" ;;
        esac
    done
done
if [ "$is_known" -eq 0 ]; then
    echo "fuzz: there is no target $wanted; the targets are all, $(targets fuzz-targets | xargs)" \
        "$(targets fuzz-targets-tools | xargs)" >&2
    exit 2
fi
exit "$failed"
