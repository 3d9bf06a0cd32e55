#!/usr/bin/env bash
# Checks the CDK stack without an account: types, tests with cdk-nag, synthesis
# from the real binaries, cfn-lint. Leaves its count in target/stack-tests.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
cfn_lint_version=1.58.0

mkdir -p target
rm -f target/stack-tests.txt
scripts/stage-lambdas.sh
cd stack
../scripts/install-stack-tools.sh
npx tsc --noEmit
status=0
npx vitest run --reporter=default --reporter=json --outputFile=../target/stack-tests.json || status=$?
node -p 'const { numPassedTests: passed, numFailedTests: failed } = require("../target/stack-tests.json");
    `test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; stack`' > ../target/stack-tests.txt
cat ../target/stack-tests.txt
[ "$status" -eq 0 ] || exit "$status"

npx cdk synth --quiet --context environment=test
if ! ../target/venv/bin/cfn-lint --version 2>/dev/null | grep -q "$cfn_lint_version"; then
    python3 -m venv ../target/venv
    ../target/venv/bin/pip install --quiet --disable-pip-version-check "cfn-lint==$cfn_lint_version"
fi
# W3005: CDK itself makes each function depend on its role twice.
../target/venv/bin/cfn-lint --ignore-checks W3005 -- ../target/cdk.out/UsageMeter-test.template.json
echo "the synthesised template is clean"
