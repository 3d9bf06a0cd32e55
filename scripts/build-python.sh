#!/usr/bin/env bash
# Builds the constructs as a Python package: writes its wheel into a folder.
#
#   scripts/build-python.sh [FOLDER]      target/python by default
#
# jsii writes files next to package.json, so it compiles a copy of the constructs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/python-tools.sh
scripts/install-stack-tools.sh
mkdir -p "${1:-target/python}"
folder=$(cd "${1:-target/python}" && pwd)
python_tools "setuptools==$setuptools_version"
pip=$PWD/target/venv/bin/pip

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/package"
(cd stack && cp -r lib package.json tsconfig.json tsconfig.build.json README.md ../LICENSE "$work/package")
# jsii-pacmak copies the whole folder of the package, so the other packages are outside of it.
ln -s "$PWD/stack/node_modules" "$work/node_modules"
cd "$work/package"

# The constructs support older versions of Node.js than jsii, which runs with them nevertheless.
JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=$(node -p 'process.versions.node.split(".")[0]')
# The archive has no times of the machine.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION SOURCE_DATE_EPOCH=315532800
node ../node_modules/jsii/bin/jsii --fail-on-warnings --silence-warnings metadata/missing-dev-dependency
node ../node_modules/jsii-pacmak/bin/jsii-pacmak --code-only --targets python --outdir "$work/code" \
    --pack-command 'npm pack --silent --ignore-scripts'
"$pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --wheel-dir "$folder" "$work/code/python"
