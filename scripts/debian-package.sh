# shellcheck shell=bash
# Sourced by other scripts.   debian_package COMMAND PACKAGE   installs the package if the
# command is missing and root runs this on Debian. Otherwise prints how to install it.
debian_package() {
    command -v "$1" >/dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$(basename "$0" .sh): $1 is missing; install it (Debian: apt-get install $2)" >&2
        return 1
    fi
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}
