#!/usr/bin/env bash
# Deploys the meter of an environment and verifies it.
#
#   scripts/deploy.sh ENVIRONMENT [REGION] [--diff] [--binaries FOLDER] [--omit PATHS] [--no-verify]
#
#   --diff             show what would change, and change nothing
#   --binaries FOLDER  deploy these, as scripts/build-lambdas.sh lays them out, instead of building
#   --omit PATHS       leave parts of the stack out, for an endpoint (AWS_ENDPOINT_URL) that has no such
#   --no-verify        leave scripts/verify-deployment.sh to be run later
#
# The region is AWS_REGION where none is named. A deployment from a clean work
# tree is tagged deployed/ENVIRONMENT/TIME, which scripts/rollback.sh goes back to.
set -euo pipefail
called_from=$PWD
cd "$(dirname "$0")/.."

usage() { sed -n '4,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { echo "deploy: $*" >&2; exit 1; }
[ $# -ge 1 ] || usage
environment=$1
shift
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
if [ $# -ge 1 ] && [ "${1#-}" = "$1" ]; then region=$1; shift; fi
action=deploy binaries= omit= verify=yes
while [ $# -gt 0 ]; do
    case $1 in
        --diff) action=diff ;;
        --binaries) [ $# -ge 2 ] || usage; binaries=$(cd "$called_from" && cd "$2" 2>/dev/null && pwd) || fail "the folder $2 cannot be found"; shift ;;
        --omit) [ $# -ge 2 ] || usage; omit=$2; shift ;;
        --no-verify) verify= ;;
        *) usage ;;
    esac
    shift
done

need() { command -v "$1" >/dev/null || fail "$1 is missing; $2"; }
need node "install Node.js 20 or newer"
need npm "install Node.js 20 or newer, with npm"
need git "install git"
[ "$(node -p 'process.versions.node.split(".")[0] >= 20')" = true ] || fail "Node.js $(node --version) is too old; install 20 or newer"
[ -n "$binaries" ] || need cargo "install Rust from https://rustup.rs"
[[ $environment =~ ^[a-z][a-z0-9-]{0,19}$ ]] || fail "the environment $environment has to be 1 to 20 of a-z, 0-9 and '-', and begin with a letter"
[ -n "$region" ] || fail "name the region, or set AWS_REGION"
export AWS_REGION=$region AWS_DEFAULT_REGION=$region NODE_NO_WARNINGS=1

echo "== tools of the stack"
scripts/install-stack-tools.sh
account=$(cd stack && npx tsx verify/account.ts) || fail "no deployment without an account that can be used; see above"
echo "account $account, region $region"

if [ -z "$binaries" ]; then
    echo "== the functions"
    scripts/build-lambdas.sh
    binaries=$PWD/target/lambda
fi
architecture=$(cat "$binaries/architecture") || fail "$binaries/architecture is missing; make the folder with scripts/build-lambdas.sh"

echo "== $action"
stack=UsageMeter-$environment
options=(--context "environment=$environment" --context "binaries=$binaries" --context "architecture=$architecture")
[ -z "$omit" ] || options+=(--context "omit=$omit")
cd stack
if [ "$action" = diff ]; then
    exec npx cdk diff "$stack" "${options[@]}"
fi
npx cdk deploy "$stack" --require-approval never "${options[@]}"
cd ..

if git rev-parse --verify --quiet HEAD >/dev/null && [ -z "$(git status --porcelain)" ]; then
    tag=deployed/$environment/$(date -u +%Y%m%dT%H%M%SZ)
    git tag "$tag"
    echo "tagged $tag; share it with: git push origin $tag"
else
    echo "not tagged, since the work tree has changes: scripts/rollback.sh cannot come back to this"
fi
[ -z "$verify" ] || scripts/verify-deployment.sh "$environment" "$region"
