#!/usr/bin/env bash
# Verifies a deployed meter: each resource, permission and subscription, that the
# alarms are quiet, that a call is admitted and counted, and that its key stops after
# deletion. Calls the example, or else the canary's URL, or else nothing.
#
#   scripts/verify-deployment.sh ENVIRONMENT [REGION] [--api-url URL] [--wait-at-most S] [--without-counting]
#   scripts/verify-deployment.sh local [--data FOLDER] [--wait-at-most S]
#
#   --api-url URL        URL to call instead: a GET that returns 2xx for a valid key and is billed
#   --wait-at-most S     seconds to wait for alarms, count and metrics (default: 600, and 60 for local)
#   --without-counting   do not wait for the count or metrics, because the endpoint (AWS_ENDPOINT_URL) has neither
#   --data FOLDER        data folder of a running `meter local` (default: $METER_DATA or meter-data)
#
# Exits with 0 if everything is correct, 1 if something is wrong (each problem is
# printed), 2 if the deployment could not be verified.
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
