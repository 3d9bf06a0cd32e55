# shellcheck shell=bash
# Sourced by scripts that test mutants.
#
# copy_tree FOLDER   makes the folder a copy of the tracked files, including uncommitted changes.
copy_tree() {
    local changed
    rm -rf "$1"
    mkdir -p "$1"
    changed=$(git stash create)
    git archive "${changed:-HEAD}" | tar -x -m -C "$1"
}

# words_of PATCH   prints the description of a patch.
words_of() { sed '/^$/,$d' "$1" | paste -sd ' ' -; }
