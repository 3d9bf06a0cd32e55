#!/usr/bin/env bash
# Runs the whole usage meter on this machine, sends real HTTP traffic through its
# gateway, and compares the ledger with the client's results. Then creates a key,
# rotates it and deletes it. Exits with 1 on any difference.   scripts/demo.sh [CALLS]
set -euo pipefail
cd "$(dirname "$0")/.."

calls=${1:-20000}
freshness_limit_s=60

command -v cargo >/dev/null || { echo "demo: cargo is missing; install Rust from https://rustup.rs" >&2; exit 1; }
scripts/build-local.sh
meter=target/debug/meter

data=$(mktemp -d)
"$meter" local --data "$data" > "$data/guide.txt" &
meter_process=$!
stop() {
    kill -TERM "$meter_process" 2>/dev/null || true
    wait "$meter_process" 2>/dev/null || true
    rm -rf "$data"
}
trap stop EXIT
until grep -q '^Stop it' "$data/guide.txt"; do
    kill -0 "$meter_process" 2>/dev/null || { echo "demo: meter local did not start" >&2; exit 1; }
    sleep 0.1
done
sed -n '1,/API keys/p' "$data/guide.txt"

echo
echo "Sending $calls calls with mixed statuses for 5 keys through the gateway:"
"$meter" traffic --data "$data" --calls "$calls" --csv > "$data/seen.csv"
column -s, -t "$data/seen.csv" 2>/dev/null || cat "$data/seen.csv"
expected=$(awk -F, 'NR > 1 { sum += $2 } END { print sum + 0 }' "$data/seen.csv")

calls_in_ledger() {
    "$meter" usage "$1" --data "$data" --csv | awk -F, 'NR > 1 { sum += $3 } END { print sum + 0 }'
}
total_in_ledger() {
    local total=0 key
    while IFS=, read -r key _; do
        total=$((total + $(calls_in_ledger "$key")))
    done < <(tail -n +2 "$data/seen.csv")
    echo "$total"
}

echo
echo "Calls in the ledger, of $expected successful calls:"
started=$SECONDS
until counted=$(total_in_ledger); echo "  $counted after $((SECONDS - started)) s"; [ "$counted" -ge "$expected" ]; do
    if [ $((SECONDS - started)) -ge "$freshness_limit_s" ]; then
        echo "demo: the ledger has $counted of $expected calls after $freshness_limit_s s" >&2
        break
    fi
    sleep 0.2
done

echo
differences=0
while IFS=, read -r key successful _; do
    counted=$(calls_in_ledger "$key")
    if [ "$counted" -eq "$successful" ]; then
        echo "  $key: client saw $successful successful calls, the ledger has $counted"
    else
        echo "  $key: client saw $successful successful calls, the ledger has $counted  <- DIFFERENT"
        differences=$((differences + 1))
    fi
done < <(tail -n +2 "$data/seen.csv")
if [ "$differences" -gt 0 ]; then
    echo "demo: $differences keys differ" >&2
    exit 1
fi
echo "The ledger equals the client's results for every key."

echo
echo "A key is created, used, rotated and deleted:"
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
gateway=$(tr -d ' ' < "$data/endpoints.json" | member gateway)
status() {
    local address=${gateway#http://}
    exec 3<> "/dev/tcp/${address%:*}/${address#*:}"
    printf 'GET /status/200 HTTP/1.1\r\nHost: %s\r\nx-api-key: %s\r\nConnection: close\r\n\r\n' "$address" "$1" >&3
    head -n 1 <&3 | cut -d ' ' -f 2
    exec 3>&-
}
expect() {
    local got
    got=$(status "$2")
    echo "  $3: $got"
    [ "$got" = "$1" ] || { echo "demo: expected $1, got $got" >&2; exit 1; }
}
created=$("$meter" keys create --owner demo --monthly-limit 100 --json --data "$data")
key=$(member api_key_id <<< "$created") first=$(member api_key <<< "$created")
expect 200 "$first" "a new key's first call"
second=$("$meter" keys rotate "$key" --overlap 1h --json --data "$data" | member api_key)
expect 200 "$first" "the previous secret, within the overlap"
expect 200 "$second" "the new secret"
"$meter" keys delete "$key" --yes --data "$data" | sed 's/^/  /'
started=$SECONDS
until [ "$(status "$second")" = 403 ]; do
    [ $((SECONDS - started)) -lt 10 ] || { echo "demo: the deleted key is still admitted" >&2; exit 1; }
done
expect 403 "$second" "the deleted key"
