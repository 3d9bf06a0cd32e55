#!/usr/bin/env bash
# Verifies a deployed meter: each resource, permission and subscription, that
# the alarms are quiet, and that a call is admitted, counted and its key stopped.
#
#   scripts/verify-deployment.sh ENVIRONMENT [REGION] [--api-url URL] [--without-counting]
#   scripts/verify-deployment.sh local [--data FOLDER]
#
#   --api-url URL        call the API here, not where the stack says it is
#   --without-counting   the endpoint (AWS_ENDPOINT_URL) writes no access log, so wait for no count
#   --data FOLDER        the data folder of a running `meter local`; $METER_DATA or meter-data where it is not named
#
# Exits with 0 when everything is as it should be, 1 when something is wrong
# (each is named), 2 when it could not be verified.
set -euo pipefail
export CALLED_FROM=$PWD
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '5,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
environment=$1
shift
if [ $# -ge 1 ] && [ "${1#-}" = "$1" ]; then
    export AWS_REGION=$1 AWS_DEFAULT_REGION=$1
    shift
fi
command -v node >/dev/null || { echo "verify: node is missing; install Node.js 20 or newer" >&2; exit 2; }
scripts/install-stack-tools.sh
if [ -z "${METER:-}" ]; then
    command -v cargo >/dev/null || { echo "verify: cargo is missing; install Rust from https://rustup.rs, or set METER to the command meter" >&2; exit 2; }
    scripts/build-local.sh meter >&2
    METER=$PWD/target/debug/meter
fi
export METER NODE_NO_WARNINGS=1
cd stack
exec npx tsx verify/main.ts "$environment" "$@"
