#!/usr/bin/env bash
# Fails where the version of Node.js on the PATH is none of those that stack/package.json names (`engines`).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v node >/dev/null || { echo "stack: node is missing; install Node.js 20.19 or newer" >&2; exit 1; }
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
  console.error("stack: Node.js " + process.versions.node + " is not supported; install one of " + range);
  process.exit(1);
}'
