#!/usr/bin/env bash
# Deploys the meter of an environment, verifies it, and tags what was verified.
#
#   scripts/deploy.sh ENVIRONMENT [REGION] [options]
#
#   --alarm-topic ARN      send alarms to this SNS topic
#   --alarm-email ADDRESS  send alarms to this address, through a topic that the stack creates
#   --all-at-once          new versions get all calls at once and ignore alarms: for a fix or a rollback
#   --set NAME=VALUE       another option of docs/OPERATION.md ("Options of a deployment"); may be repeated
#   --diff                 show what would change, and change nothing
#   --binaries FOLDER      deploy the binaries of this folder, as scripts/build-lambdas.sh writes them, instead of building
#   --api-url URL          URL that the verification calls: a GET that returns 2xx for a valid key and is billed
#                          (default: the example, or the canary's URL)
#   --omit PATHS           leave out parts of the stack that an endpoint (AWS_ENDPOINT_URL) does not support
#   --wait-at-most S       seconds that the verification waits for each condition (default: 600)
#   --no-verify            do not verify; run scripts/verify-deployment.sh and create the tag later
#
# The default region is AWS_REGION. Options for every deployment are in
# stack/environments/ENVIRONMENT.json. A deployment from a clean work tree gets the
# tag attempted/ENVIRONMENT/TIME, which becomes deployed/ENVIRONMENT/TIME after the
# verification. scripts/rollback.sh deploys such a tag again.
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
need npm "install npm, which comes with Node.js"
need git "install git"
scripts/check-node.sh
[ -n "$binaries" ] || need cargo "install Rust from https://rustup.rs"
[[ $environment =~ ^[a-z][a-z0-9-]{0,19}$ ]] || fail "the environment name $environment is invalid; use 1 to 20 of a-z, 0-9 and '-', beginning with a letter"
[ -n "$region" ] || fail "name the region, or set AWS_REGION"
export AWS_REGION=$region AWS_DEFAULT_REGION=$region NODE_NO_WARNINGS=1

echo "== tools of the stack"
scripts/install-stack-tools.sh
account=$(cd stack && npx tsx verify/account.ts "$environment" "${choices[@]}") || fail "the account cannot be used for a deployment; see above"
echo "account $account, region $region"

if [ -z "$binaries" ]; then
    echo "== the functions"
    scripts/build-lambdas.sh
    binaries=$PWD/target/lambda
fi
architecture=$(cat "$binaries/architecture") || fail "$binaries/architecture is missing; create the folder with scripts/build-lambdas.sh"
facts=("region=$region" "architecture=$architecture")
plan=$(cd stack && npx tsx verify/plan.ts "$environment" "${facts[@]}" "${choices[@]}") || fail "the deployment cannot be planned; see above"
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
# The canary fails until its key exists. The key needs the tables, so it is created after them.
create_canary_key() {
    has canary || return 0
    METER=$(../scripts/find-meter.sh)
    export METER
    npx tsx verify/canary-key.ts "$environment"
}
if has creating-protected; then
    # CloudFormation cannot roll back tables with deletion protection, or a stack with termination
    # protection, if a creation fails, and they would block the next attempt.
    echo "the stack is created first and protected afterwards, so that a creation that fails can be repeated"
    npx cdk deploy "$stack" --require-approval never "${options[@]}" --context creating=yes
    create_canary_key
fi
npx cdk deploy "$stack" --require-approval never "${options[@]}"
create_canary_key
cd ..

if [ -z "$verify" ]; then
    (cd stack && npx tsx verify/audience.ts "$environment")
    [ -z "$time" ] || echo "not verified; after scripts/verify-deployment.sh has succeeded, run: git tag deployed/$environment/$time attempted/$environment/$time"
else
    scripts/verify-deployment.sh "$environment" "$region" "${verification[@]}" ||
        fail "deployed, but the verification failed, so it is not tagged; see above, and deploy a fix or run scripts/rollback.sh $environment"
fi
if [ -z "$time" ]; then
    echo "not tagged, because the work tree has changes: scripts/rollback.sh cannot deploy this version again"
elif [ -n "$verify" ]; then
    git tag "deployed/$environment/$time" "attempted/$environment/$time"
    git tag --delete "attempted/$environment/$time" >/dev/null
    echo "tagged deployed/$environment/$time; share it with: git push origin deployed/$environment/$time"
fi
