#!/usr/bin/env bash
# Deploys the meter of an environment, verifies it, and tags what was verified.
#
#   scripts/deploy.sh ENVIRONMENT [REGION] [options]
#
#   --alarm-topic ARN      tell alarms to this SNS topic
#   --alarm-email ADDRESS  tell alarms to this address, by a topic that is made
#   --all-at-once          new versions take all calls at once, whatever the alarms say: for a fix or a rollback
#   --set NAME=VALUE       another option of docs/OPERATION.md ("Options of a deployment"); may be repeated
#   --diff                 show what would change, and change nothing
#   --binaries FOLDER      deploy these, as scripts/build-lambdas.sh lays them out, instead of building
#   --api-url URL          have the verification call this: a GET that is answered with 2xx where the key is valid, and
#                          is billed; the example, or what the canary calls, where it is not given
#   --omit PATHS           leave parts of the stack out, for an endpoint (AWS_ENDPOINT_URL) that has no such
#   --wait-at-most S       have the verification wait no longer for anything; 600 seconds where it is not given
#   --no-verify            leave scripts/verify-deployment.sh to be run later, and the tag to be made then
#
# The region is AWS_REGION where none is named. Options that are to hold for
# each deployment stand in stack/environments/ENVIRONMENT.json. A deployment from
# a clean work tree is tagged attempted/ENVIRONMENT/TIME, and once it is verified
# deployed/ENVIRONMENT/TIME instead; scripts/rollback.sh goes back to such a tag.
set -euo pipefail
called_from=$PWD
cd "$(dirname "$0")/.."

usage() { sed -n '4,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { echo "deploy: $*" >&2; exit 1; }
[ $# -ge 1 ] || usage
environment=$1
shift
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
if [ $# -ge 1 ] && [ "${1#-}" = "$1" ]; then region=$1; shift; fi
action='deploy' binaries='' omit='' verify=yes choices=() verification=()
while [ $# -gt 0 ]; do
    case $1 in
        --diff) action='diff' ;;
        --binaries) [ $# -ge 2 ] || usage; binaries=$(cd "$called_from" && cd "$2" 2>/dev/null && pwd) || fail "the folder $2 cannot be found"; shift ;;
        --omit) [ $# -ge 2 ] || usage; omit=$2; shift ;;
        --alarm-topic | --alarm-email) [ $# -ge 2 ] || usage; choices+=("${1#--}=$2"); shift ;;
        --all-at-once) choices+=("all-at-once=yes") ;;
        --set) [[ $# -ge 2 && $2 == ?*=* ]] || usage; choices+=("$2"); shift ;;
        --wait-at-most) [ $# -ge 2 ] || usage; verification+=("$1" "$2"); shift ;;
        --api-url) [[ $# -ge 2 && $2 =~ ^https?:// ]] || usage; verification+=("$1" "$2"); shift ;;
        --no-verify) verify= ;;
        *) usage ;;
    esac
    shift
done

need() { command -v "$1" >/dev/null || fail "$1 is missing; $2"; }
need node "install Node.js 20 or newer"
need npm "install Node.js 20 or newer, with npm"
need git "install git"
scripts/check-node.sh
[ -n "$binaries" ] || need cargo "install Rust from https://rustup.rs"
[[ $environment =~ ^[a-z][a-z0-9-]{0,19}$ ]] || fail "the environment $environment has to be 1 to 20 of a-z, 0-9 and '-', and begin with a letter"
[ -n "$region" ] || fail "name the region, or set AWS_REGION"
export AWS_REGION=$region AWS_DEFAULT_REGION=$region NODE_NO_WARNINGS=1

echo "== tools of the stack"
scripts/install-stack-tools.sh
account=$(cd stack && npx tsx verify/account.ts "$environment" "${choices[@]}") || fail "no deployment without an account that can be used; see above"
echo "account $account, region $region"

if [ -z "$binaries" ]; then
    echo "== the functions"
    scripts/build-lambdas.sh
    binaries=$PWD/target/lambda
fi
architecture=$(cat "$binaries/architecture") || fail "$binaries/architecture is missing; make the folder with scripts/build-lambdas.sh"
facts=("region=$region" "architecture=$architecture")
plan=$(cd stack && npx tsx verify/plan.ts "$environment" "${facts[@]}" "${choices[@]}") || fail "it is not known what is to be deployed; see above"
has() { grep -qx "$1" <<< "$plan"; }
if [ -z "${METER:-}" ] && { has canary || [ -n "$verify" ]; }; then
    need cargo "install Rust from https://rustup.rs, or set METER to the command meter"
fi

echo "== $action"
stack=UsageMeter-$environment
options=(--context "environment=$environment" --context "binaries=$binaries")
for fact in "${facts[@]}"; do options+=(--context "$fact"); done
[ -z "$omit" ] || options+=(--context "omit=$omit")
for choice in "${choices[@]}"; do options+=(--context "$choice"); done
cd stack
if [ "$action" = diff ]; then
    exec npx cdk diff "$stack" "${options[@]}"
fi
time=$(date -u +%Y%m%dT%H%M%SZ)
if git rev-parse --verify --quiet HEAD >/dev/null && [ -z "$(git status --porcelain)" ]; then
    git tag "attempted/$environment/$time"
else
    time=
fi
# Without its key, which needs the tables, the canary fails.
give_canary_its_key() {
    has canary || return 0
    METER=$(../scripts/find-meter.sh)
    export METER
    npx tsx verify/canary-key.ts "$environment"
}
if has creating-protected; then
    # Tables that refuse to be deleted, and a stack with termination protection, could not be taken back
    # if their creation fails, and would be in the way of the next attempt.
    echo "the stack is created first and protected afterwards, so that a creation that fails can be repeated"
    npx cdk deploy "$stack" --require-approval never "${options[@]}" --context creating=yes
    give_canary_its_key
fi
npx cdk deploy "$stack" --require-approval never "${options[@]}"
give_canary_its_key
cd ..

if [ -z "$verify" ]; then
    (cd stack && npx tsx verify/audience.ts "$environment")
    [ -z "$time" ] || echo "not verified; when scripts/verify-deployment.sh has found nothing wrong, run: git tag deployed/$environment/$time attempted/$environment/$time"
else
    scripts/verify-deployment.sh "$environment" "$region" "${verification[@]}" ||
        fail "deployed, but not as it should be, and so not tagged: see above, deploy a fix, or go back with scripts/rollback.sh $environment"
fi
if [ -z "$time" ]; then
    echo "not tagged, since the work tree has changes: scripts/rollback.sh cannot come back to this"
elif [ -n "$verify" ]; then
    git tag "deployed/$environment/$time" "attempted/$environment/$time"
    git tag --delete "attempted/$environment/$time" >/dev/null
    echo "tagged deployed/$environment/$time; share it with: git push origin deployed/$environment/$time"
fi
