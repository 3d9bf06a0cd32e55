#!/usr/bin/env bash
# Runs moto's public tests of Kinesis against a new `meter local`, in moto's server
# mode. Each failing test has to be listed with a reason in
# crates/local-stack/tests/conformance/moto-differences.txt, and each listed test
# has to fail.
#
#   scripts/kinesis-conformance.sh [FOLDER]     folder of the binaries (default: target/debug)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python-tools.sh
. scripts/local-stack.sh
moto_version=5.1.4
conformance=$PWD/crates/local-stack/tests/conformance

python_tools "boto3==$boto3_version" "moto==$moto_version" "pytest==$pytest_version" "freezegun==$freezegun_version"
sources=$PWD/target/moto-$moto_version
if ! [ -d "$sources" ]; then
    # The tests are only in moto's source distribution.
    target/venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary moto \
        --dest target "moto==$moto_version"
    tar -xzf "target/moto-$moto_version.tar.gz" -C target "moto-$moto_version/tests/test_kinesis" "moto-$moto_version/tests/__init__.py"
    # The local stack has one region and refuses requests for others.
    sed -i -E 's/(ap|ca|eu|sa|us)-[a-z]+-[0-9]/us-east-1/g' "$sources"/tests/test_kinesis/*.py
fi
cp "$conformance/conftest.py" "$sources/tests/conftest.py"

start_local_stack "${1:-target/debug}"
results=$PWD/target/kinesis-conformance.xml
rm -f "$results"
(
    cd "$sources"
    export TEST_SERVER_MODE=true TEST_SERVER_MODE_ENDPOINT=$AWS_ENDPOINT_URL
    # Failures are compared with the list below. test_server.py tests moto's own server.
    "$OLDPWD/target/venv/bin/python" -m pytest --quiet --no-header --tb=line -p no:cacheprovider \
        --junitxml="$results" --ignore=tests/test_kinesis/test_server.py tests/test_kinesis > "$OLDPWD/target/kinesis-conformance.txt" 2>&1 || true
)
stop_local_stack
target/venv/bin/python "$conformance/compare.py" "$results" "$conformance/moto-differences.txt"
