# shellcheck shell=bash
# Sourced by scripts that run a pinned tool of crates.io, from the root of the project.
#
# cargo_tool NAME VERSION [OPTION...]   builds it once into target/tools-bin, unless this version is installed.
#                                       It is not optimised, because building it takes longer than running it.
#                                       The options are those of `cargo install`.
PATH=$PWD/target/tools-bin/bin:$PATH
cargo_tool() {
    local name=$1 version=$2 tool=("$1")
    shift 2
    [[ $name != cargo-* ]] || tool=(cargo "${name#cargo-}")
    [ "$("${tool[@]}" --version 2>/dev/null | sed 's/.* v\?//')" = "$version" ] ||
        CARGO_PROFILE_DEV_DEBUG=0 cargo install "$name" --locked --debug --version "$version" --root target/tools-bin "$@"
}
