#!/usr/bin/env bash
# Checks the CDK stack without an account: types, tests with cdk-nag, a deployment
# to an emulator that runs the binaries of scripts/build-local.sh, the runbooks, the
# pages of a local stack and of the site, synthesis, cfn-lint. Writes the number of passed and
# failed tests to target/stack-tests.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python-tools.sh
. scripts/debian-package.sh
. scripts/step.sh

mkdir -p target
rm -f target/stack-tests.txt
[ -x "${CHROMIUM:=/usr/bin/chromium}" ] || debian_package "$CHROMIUM" chromium
export CHROMIUM NODE_NO_WARNINGS=1
python_tools "aws-sam-translator==$aws_sam_translator_version" "awscli==$awscli_version" "cfn-lint==$cfn_lint_version" \
    "ministack==$ministack_version"
python_wheels "aws-cdk-lib==$aws_cdk_lib_version" "constructs==$constructs_version" "jsii==$jsii_version"
scripts/stage-lambdas.sh --local
step "site" scripts/build-site.sh
cd stack
npx tsc --noEmit
status=0
npx vitest run --reporter=default --reporter=json --outputFile=../target/stack-tests.json || status=$?
# An error outside of a test, which the test runner reports without a failed test, counts as one.
node -p 'const { numPassedTests: passed, numFailedTests } = require("../target/stack-tests.json");
    const failed = numFailedTests || Math.min(Number(process.argv[1]), 1);
    `test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; stack`' "$status" > ../target/stack-tests.txt
cat ../target/stack-tests.txt
[ "$status" -eq 0 ] || exit "$status"

# W3005: CDK makes each function depend on its role twice.
for example in rest http; do
    npx cdk synth --quiet --context environment=test --context "binaries=$PWD/../target/lambda-local" --context "example=$example"
    ../target/venv/bin/cfn-lint --ignore-checks W3005 -- ../target/cdk.out/UsageMeter-test.template.json
done
mkdir -p ../target/release-templates
npx tsx release/write.ts ../target/release-templates ../target/lambda-local x86_64 0.1.0
../target/venv/bin/cfn-lint --ignore-checks W3005 -- ../target/release-templates/*.template.json
echo "cfn-lint found nothing in the synthesised templates and those of a release"
