#!/usr/bin/env bash
# Sends calls with an API key, waits until they are counted, and compares the counts exactly.
#
#   scripts/test-usage-metering.sh ENVIRONMENT API_KEY [--calls NUMBER] [--wait-at-most SECONDS] [--url URL]
#   scripts/test-usage-metering.sh local API_KEY [--calls NUMBER] [--wait-at-most SECONDS] [--data FOLDER]
#
# Of NUMBER calls (default 100), seven in ten succeed, two get 404 and one gets 500.
# The API has to answer /status/CODE with CODE, and /usage with the key's usage, as
# the example API does. The script waits until all calls are counted, by default at most
# 600 s on AWS and 60 s for local. No one else may use the key meanwhile. Exits with 0 if
# the counts are equal, 1 if they differ, 2 if they cannot be compared.
set -euo pipefail
called_from=$PWD
cd "$(dirname "$0")/.."

usage() { sed -n '4,5s/^# *//p' "$0" >&2; exit 2; }
fail() { echo "test-usage-metering: $*" >&2; exit 2; }
[ $# -ge 2 ] || usage
environment=$1 key=$2
shift 2
# CloudWatch Logs delivers "usually in less than three minutes".
limit_s=600
[ "$environment" != local ] || limit_s=60
calls=100 url='' data=${METER_DATA:-meter-data}
while [ $# -ge 2 ]; do
    case $1 in
        --calls) calls=$2 ;;
        --wait-at-most) limit_s=$2 ;;
        --url) url=$2 ;;
        --data) data=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[ $# -eq 0 ] || usage
[[ $data = /* ]] || data=$called_from/$data
[[ $calls =~ ^[1-9][0-9]*$ ]] || fail "--calls $calls is not a number of calls"
[[ $limit_s =~ ^[1-9][0-9]*$ ]] || fail "--wait-at-most $limit_s is not a number of seconds"
command -v curl >/dev/null || fail "curl is missing (Debian: apt-get install curl)"

# member NAME   prints the first member of this name in JSON.
member() { tr -d ' \n' | grep -oE "\"$1\":(\"[^\"]*\"|[0-9]+)" | head -n 1 | sed 's/^[^:]*://; s/"//g'; }
if [ -z "$url" ] && [ "$environment" = local ]; then
    [ -f "$data/endpoints.json" ] || fail "$data is not the folder of a local stack; run meter local --data $data"
    url=$(member gateway < "$data/endpoints.json")
elif [ -z "$url" ]; then
    scripts/install-stack-tools.sh
    url=$(cd stack && NODE_NO_WARNINGS=1 npx tsx verify/api-url.ts "UsageMeter-$environment") || fail "the URL of the API is unknown; pass it as --url"
fi
url=${url%/}

# curl gets the secret in a file that only this user can read, and not as an argument.
headers=$(mktemp)
trap 'rm -f "$headers" "$headers.seen"' EXIT
printf 'x-api-key: %s\n' "$key" > "$headers"
call() { curl --silent --show-error --max-time 30 --header "@$headers" "$@"; }
counted() {
    local answer
    answer=$(call "$url/usage?from=$first_day&to=$(date -u +%F)") || return 1
    member calls <<< "$answer" || { echo "$answer" >&2; return 1; }
}

first_day=$(date -u +%F)
before=$(counted) || fail "$url/usage does not return the usage of this key; check the key and the URL"
echo "The key $(call "$url/usage" | member api_key_id) has $before counted calls. Sending $calls calls to $url/status/..."

: > "$headers.seen"
for ((sent = 0; sent < calls; sent++)); do
    case $((sent % 10)) in
        7 | 8) wanted=404 ;;
        9) wanted=500 ;;
        *) wanted=200 ;;
    esac
    call --output /dev/null --write-out '%{http_code}\n' "$url/status/$wanted" >> "$headers.seen" || echo 000 >> "$headers.seen"
done
sort "$headers.seen" | uniq -c | while read -r number status; do echo "  $number answered with $status"; done
successful=$(grep -c '^2' "$headers.seen" || true)
unanswered=$(grep -c '^000$' "$headers.seen" || true)
[ "$unanswered" -eq 0 ] || fail "$unanswered calls were not answered, so they may or may not be counted; run the script again"

expected=$((before + successful))
echo "Waiting for $successful successful calls to be counted:"
started=$SECONDS reported=0
until now=$(counted) && [ "$now" -ge "$expected" ]; do
    [ $((SECONDS - started)) -lt "$limit_s" ] || break
    if [ $((SECONDS - started)) -ge $((reported + 30)) ]; then
        reported=$((SECONDS - started))
        echo "  ${now:-$before} of $expected after $reported s, waiting for at most $limit_s s"
    fi
    sleep 0.5
done
echo "  $((now - before)) of $successful after $((SECONDS - started)) s"
if [ "$now" -ne "$expected" ]; then
    echo "test-usage-metering: DIFFERENT: the client saw $successful successful calls, the ledger counted $((now - before))." >&2
    echo "See docs/runbooks/drift-and-backfill.md, and docs/runbooks/freshness.md if some are only late." >&2
    exit 1
fi
echo "Equal: all calls that succeeded are billed, and no others."
