#!/usr/bin/env bash
# Speaks to a `meter local` of its own with the AWS CLI of version 1 and boto3,
# in the environment that it prints.
#
#   scripts/test-clients.sh [FOLDER]     the binaries; target/debug where it is not said
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python-tools.sh
. scripts/local-stack.sh
python_tools "awscli==$awscli_version" "boto3==$boto3_version"
start_local_stack "${1:-target/debug}"
target/venv/bin/python crates/local-stack/tests/clients/clients.py
