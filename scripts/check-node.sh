#!/usr/bin/env bash
# Fails if Node.js is missing, or is not one of the versions in `engines` of stack/package.json.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "node is missing; install a version in \`engines\` of stack/package.json" >&2; exit 1; }
node -e '
const { node: range } = JSON.parse(require("fs").readFileSync("stack/package.json", "utf8")).engines;
const numbers = (version) => version.split(".").map(Number);
const [major, minor, patch] = numbers(process.versions.node);
const fits = range.split(" || ").some((part) => {
  const [leastMajor, leastMinor, leastPatch] = numbers(part.replace(/^(\^|>=)/, ""));
  const isAtLeast = major - leastMajor || minor - leastMinor || patch - leastPatch;
  return isAtLeast >= 0 && (part.startsWith(">=") || major === leastMajor);
});
if (!fits) {
  console.error("Node.js " + process.versions.node + " is not supported; install one of " + range);
  process.exit(1);
}'
