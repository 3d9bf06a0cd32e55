#!/usr/bin/env bash
# Verifies a deployed meter: each resource, permission and subscription, that
# the alarms are quiet, and that a call is admitted, counted and its key stopped:
# of the example, or else of what the canary calls. Without either, no call is made.
#
#   scripts/verify-deployment.sh ENVIRONMENT [REGION] [--api-url URL] [--wait-at-most S] [--without-counting]
#   scripts/verify-deployment.sh local [--data FOLDER] [--wait-at-most S]
#
#   --api-url URL        call this instead: a GET that is answered with 2xx where the key is valid, and is billed
#   --wait-at-most S     wait no longer than S seconds for alarms, count and metrics; 600, and 60 for local
#   --without-counting   the endpoint (AWS_ENDPOINT_URL) writes no access log and has no metrics, so wait for neither
#   --data FOLDER        the data folder of a running `meter local`; $METER_DATA or meter-data where it is not named
#
# Exits with 0 when everything is as it should be, 1 when something is wrong
# (each is named), 2 when it could not be verified.
set -euo pipefail
export CALLED_FROM=$PWD
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '6,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
environment=$1
shift
if [ $# -ge 1 ] && [ "${1#-}" = "$1" ]; then
    export AWS_REGION=$1 AWS_DEFAULT_REGION=$1
    shift
fi
command -v node >/dev/null || { echo "verify: node is missing; install Node.js 20 or newer" >&2; exit 2; }
scripts/install-stack-tools.sh
METER=$(scripts/find-meter.sh)
export METER NODE_NO_WARNINGS=1
cd stack
exec npx tsx verify/main.ts "$environment" "$@"
