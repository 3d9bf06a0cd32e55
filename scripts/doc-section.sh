# shellcheck shell=bash
# Sourced by other scripts.   write_section DOCUMENT NAME   replaces the lines between
# `<!-- NAME -->` and the next `<!-- end -->` of a document by the standard input.
write_section() {
    local text document
    text=$(cat)
    grep -qxF "<!-- $2 -->" "$1" || { echo "$1 has no line <!-- $2 -->" >&2; return 1; }
    document=$(TEXT=$text awk -v begin="<!-- $2 -->" '
        $0 == "<!-- end -->" { is_section = 0 }
        !is_section
        $0 == begin { is_section = 1; print ENVIRON["TEXT"] }' "$1")
    printf '%s\n' "$document" > "$1"
}
