# shellcheck shell=bash
# To be sourced.   debian_package COMMAND PACKAGE   installs the package where the
# command is missing, if this is Debian and root runs it, and says what to do otherwise.
debian_package() {
    command -v "$1" >/dev/null && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$(basename "$0" .sh): $1 is missing; install it (Debian: apt-get install $2)" >&2
        return 1
    fi
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}
