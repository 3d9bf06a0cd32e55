# shellcheck shell=bash
# Sourced by scripts that run a pinned subcommand of cargo, from the root of the project.
#
# cargo_tool NAME VERSION   builds it once into target/tools-bin, unless this version is installed.
#                           It is not optimised, because building it takes longer than running it.
PATH=$PWD/target/tools-bin/bin:$PATH
cargo_tool() {
    [ "$(cargo "${1#cargo-}" --version 2>/dev/null | sed 's/.* //')" = "$2" ] ||
        CARGO_PROFILE_DEV_DEBUG=0 cargo install "$1" --locked --debug --version "$2" --root target/tools-bin
}
