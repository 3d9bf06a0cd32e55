#!/usr/bin/env bash
# Deploys the code and the stack of an earlier version again.
#
#   scripts/rollback.sh ENVIRONMENT [TAG] [--region REGION] [further options of scripts/deploy.sh]
#
# TAG is one of `git tag --list 'deployed/ENVIRONMENT/*'`, which are the verified
# deployments. The default is the newest if the last deployment was not verified,
# else the one before it. All calls move at once, because an alarm that is on would
# stop or undo a gradual deployment. The work tree does not change.
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
    grep -qxF "$tag" <<< "$tags" || fail "the tag $tag does not exist; the tags are: ${tags:-none, fetch them with git fetch --tags}"
else
    newest=${tags##*/}
    attempted=$(git tag --list "attempted/$environment/*" --sort=refname | tail -n 1)
    back=2
    [[ ${attempted##*/} < $newest || ${attempted##*/} = "$newest" ]] || back=1
    [ "$(grep -c . <<< "$tags")" -ge "$back" ] || fail "$environment has no earlier verified deployment; its tags are: ${tags:-none, fetch them with git fetch --tags}"
    tag=$(tail -n "$back" <<< "$tags" | head -n 1)
fi
region=()
if [ "${1:-}" = --region ]; then
    [ $# -ge 2 ] || usage
    region=("$2")
    shift 2
fi

echo "Rolling back to $tag: $(git log -1 --format='%h %s' "$tag")"
work=$(mktemp -d)
trap 'git worktree remove --force "$work/version" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/version" "$tag"
# The build folder is shared, so that only differences are compiled.
mkdir -p target
ln -s "$PWD/target" "$work/version/target"
"$work/version/scripts/deploy.sh" "$environment" "${region[@]}" --all-at-once "$@"
