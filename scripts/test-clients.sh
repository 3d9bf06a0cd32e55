#!/usr/bin/env bash
# Tests a new `meter local` with the AWS CLI of version 1 and boto3, with the
# environment variables that it prints.
#
#   scripts/test-clients.sh [FOLDER]     folder of the binaries (default: target/debug)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python-tools.sh
. scripts/local-stack.sh
python_tools "awscli==$awscli_version" "boto3==$boto3_version"
start_local_stack "${1:-target/debug}"
target/venv/bin/python crates/local-stack/tests/clients/clients.py
