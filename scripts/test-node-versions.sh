#!/usr/bin/env bash
# Compiles the stack and runs its tests of the synthesis with the oldest version of Node.js that stack/package.json
# names (`engines`) and with the newest that the npm registry has. Other versions can be named:
#
#   scripts/test-node-versions.sh [VERSION]...
#
# Each version takes about a minute. The versions are installed below target/node-versions.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
scripts/install-stack-tools.sh

package=node-$(node -p 'process.platform + "-" + process.arch')
versions=("$@")
if [ ${#versions[@]} -eq 0 ]; then
    oldest=$(node -p 'require("./stack/package.json").engines.node.match(/\d+\.\d+\.\d+/)[0]')
    newest=$(npm view "$package" version)
    versions=("$oldest" "$newest")
fi

with_version() {
    local folder=$PWD/target/node-versions/$1
    [ -x "$folder/node_modules/$package/bin/node" ] ||
        npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$1"
    (
        export PATH=$folder/node_modules/$package/bin:$PATH NODE_NO_WARNINGS=1
        [ "$(node --version)" = "v$1" ] || { echo "test-node-versions: $package@$1 is $(node --version)" >&2; exit 1; }
        scripts/check-node.sh
        cd stack
        node node_modules/.bin/tsc --noEmit
        node node_modules/vitest/vitest.mjs run test/stack.test.ts test/options.test.ts test/verify.test.ts test/package.test.ts
    )
}

for version in "${versions[@]}"; do
    step "Node.js $version" with_version "$version"
done
