#!/usr/bin/env bash
# Installs the packages of stack/package-lock.json, unless they are installed.
# Refuses a version of Node.js that the stack does not support.
set -euo pipefail
cd "$(dirname "$0")/../stack"
../scripts/check-node.sh
command -v npm >/dev/null || { echo "stack: npm is missing; install Node.js with npm" >&2; exit 1; }
cmp -s package-lock.json node_modules/.installed-lock.json && exit 0
npm ci --no-audit --no-fund --loglevel=error
cp package-lock.json node_modules/.installed-lock.json
