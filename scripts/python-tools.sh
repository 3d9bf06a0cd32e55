# Installs pinned tools from PyPI into target/venv. Sourced by other scripts.
# shellcheck shell=bash disable=SC2034
aws_sam_translator_version=1.115.0
awscli_version=1.46.3
boto3_version=1.44.8
cfn_lint_version=1.58.0
freezegun_version=1.5.5
ministack_version=1.5.33
pytest_version=9.2.0

# python_tools NAME==VERSION...   installs them unless all are installed. Those of a call share their dependencies, so
# that pip has to know all of them.
python_tools() {
    local tool missing=no
    for tool in "$@"; do
        target/venv/bin/pip show "${tool%%==*}" 2>/dev/null | grep -qx "Version: ${tool##*==}" || missing=yes
    done
    [ "$missing" = no ] && return
    [ -x target/venv/bin/pip ] || python3 -m venv target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check "$@"
}
