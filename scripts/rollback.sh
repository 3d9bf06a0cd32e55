#!/usr/bin/env bash
# Deploys a version again that was deployed before: its code, its stack.
#
#   scripts/rollback.sh ENVIRONMENT [TAG] [--region REGION] [further options of scripts/deploy.sh]
#
# TAG is one of `git tag --list 'deployed/ENVIRONMENT/*'`; the one before the
# last where none is named. The work tree stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '4p' "$0" | sed 's/^# *//' >&2; exit 2; }
fail() { echo "rollback: $*" >&2; exit 1; }
[ $# -ge 1 ] || usage
environment=$1
shift
tags=$(git tag --list "deployed/$environment/*" --sort=refname)
if [ $# -ge 1 ] && [ "${1#-}" = "$1" ]; then
    tag=$1
    shift
    grep -qxF "$tag" <<< "$tags" || fail "there is no tag $tag; there are: ${tags:-none, fetch them with git fetch --tags}"
else
    [ "$(grep -c . <<< "$tags")" -ge 2 ] || fail "there is no deployment before the last; tags of $environment: ${tags:-none, fetch them with git fetch --tags}"
    tag=$(tail -n 2 <<< "$tags" | head -n 1)
fi
region=()
if [ "${1:-}" = --region ]; then
    [ $# -ge 2 ] || usage
    region=("$2")
    shift 2
fi

echo "Going back to $tag: $(git log -1 --format='%h %s' "$tag")"
work=$(mktemp -d)
trap 'git worktree remove --force "$work/version" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/version" "$tag"
# The build folder is shared, so that only what differs is built.
mkdir -p target
ln -s "$PWD/target" "$work/version/target"
"$work/version/scripts/deploy.sh" "$environment" "${region[@]}" "$@"
