#!/usr/bin/env bash
# Keeps what tests upgrade from the version in Cargo.toml: its production template, and the data folder of a
# local stack that was killed under load, with what the folder has to hold. Replaces what was kept of the version.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python-tools.sh
. scripts/local-stack.sh
. scripts/step.sh

need pkill "install procps (Debian: apt-get install procps)"
fail() { echo "keep-release: $*" >&2; exit 1; }
[ "$(date -u --date '+3 hours' +%m)" = "$(date -u +%m)" ] ||
    fail "the month ends within three hours, and the test compares a limit of the month two hours later; run it next month"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
archive=$PWD/crates/end-to-end/releases/$version.tar.gz

step "binaries" scripts/build-local.sh
step "functions" scripts/stage-lambdas.sh --local
step "tools of the stack" scripts/install-stack-tools.sh
(cd stack && npx tsx release/keep.ts "$PWD/../target/lambda-local" "$version")
python_tools "awscli==$awscli_version" "boto3==$boto3_version"

meter=target/debug/meter
start_local_stack target/debug --response-length --no-canary
data=$local_stack_data/data
kept=$local_stack_data/kept
mkdir "$kept"

run() { "$meter" "$@" --data "$data"; }
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }
create() { run keys create --json "$@" | member api_key; }
status() { curl --silent --output "$local_stack_data/answer" --write-out '%{http_code}' --header "x-api-key: $1" "$(member gateway < "$data/endpoints.json")/status/200"; }
counted() { run usage --all --by total --group-by class --json | sed -n 's/.*"calls": *\([0-9]*\).*/\1/p' | awk '{ sum += $1 } END { print sum + 0 }'; }
traffic() {
    run traffic --calls "$2" --csv > "$kept/$1.csv"
    awk -F, 'NR > 1 { sum += $2 } END { print sum }' "$kept/$1.csv"
}

run customers create acme --name "A company" --label tier=gold
limited=$(create --id limited --customer acme --monthly-limit 3 --label team=search)
for wanted in 200 200 200; do [ "$(status "$limited")" = "$wanted" ] || fail "the limited key is not admitted"; done
rotated=$(create --id rotated --owner acme)
rotated_to=$(run keys rotate rotated --overlap 30d --json | member api_key)
expiring=$(create --id expiring --owner acme --expires "$(date -u --date '+1 hour' +%Y-%m-%dT%H:%M:%SZ)")
deleted=$(create --id deleted --owner acme)
run keys delete deleted --yes
printf 'status GET /{proxy+}\nother *\n' > "$local_stack_data/classes.txt"
run classes apply "$local_stack_data/classes.txt"
printf 'status 3\nother 1\n' > "$local_stack_data/weights.txt"
run weights apply "$local_stack_data/weights.txt"
target/venv/bin/aws kinesis put-record --stream-name usage-local --partition-key p --data bm8gbG9n > "$local_stack_data/put.json"
seen=$(($(traffic before 200) + 3))
until [ "$(counted)" = "$seen" ] && [ -n "$(run quarantine list --json)" ]; do sleep 0.2; done

for list in "keys list" "customers list" "classes show" "weights show" "quarantine list" "usage limited"; do
    # shellcheck disable=SC2086 # the words of a command
    run $list --json > "$kept/${list// /-}.json"
done
cat > "$kept/secrets.json" << END
{"limited": "$limited", "rotated": "$rotated", "rotated_to": "$rotated_to", "expiring": "$expiring", "deleted": "$deleted"}
END
# From here on, the processes of the consumer are killed amid their batches.
while kill -0 "$local_stack_process" 2>/dev/null; do
    pkill -KILL --parent "$local_stack_process" usage-consumer || true
    sleep 0.03
done &
traffic under-load 1000 > /dev/null
under_load=$(awk -F, 'NR > 1 { sum += $2 } END { print sum }' "$kept/under-load.csv")
[ "$(counted)" -lt $((seen + under_load)) ] || fail "the consumer was faster than its end; run it again"
kill -KILL "$local_stack_process"
wait "$local_stack_process" || true
date -u +%s > "$kept/killed-at-s"

mkdir -p "$(dirname "$archive")"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --directory "$local_stack_data" data kept | gzip --best --no-name > "$archive"
ls -l "$archive"
